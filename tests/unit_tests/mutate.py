"""Change the SQL and the settings of reference pipelines at random, and count the changes that their unit tests catch.

    python -m tests.unit_tests.mutate --seed 7 --number 100

A mutant is one change of one token: an operator, a number, a word, a name in quotes. Only the tests of the step whose
text it changes run. A mutant whose spec is invalid is caught by ``validate``.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from snowpipe_ml.errors import SnowpipeMLError
from snowpipe_ml.unit_tests.suite import find_tests, run_tests

PIPELINES = Path(__file__).parents[2] / "pipelines"
# The steps of each pipeline that have unit tests, with the file of their SQL if it is not in the spec.
TESTED: dict[str, dict[str, str | None]] = {
    "minimal.yaml": {"daily_sales": None, "check_daily_sales": None},
    "citibike.yaml": {
        "conform_trips": "citibike/conformed_trips.sql",
        "covered_days": "citibike/covered_days.sql",
        "station_names": None,
        "trips": None,
        "unreadable_trips": None,
        "station_features": None,
    },
    "retail_weekly.yaml": {"promoted": None, "check_sales": None},
    "insurance_autogluon.yaml": {"split_charges": None, "expect_predictions": None, "evaluate_test": None},
    "citibike_cdc.yaml": {
        "merge_new_trips": "citibike/changed_new_trips.sql",
        "merge_old_trips": "citibike/changed_old_trips.sql",
    },
}
CHANGES = (
    (r">=", (">", "<=")),
    (r"<=", ("<", ">=")),
    (r"(?<![<>=])>(?![=])", (">=", "<")),
    (r"(?<![<>-])\b0\b", ("1",)),
    (r"\b28\b", ("27",)),
    (r"\b7\b", ("6",)),
    (r"\b31\b", ("30",)),
    (r"\b200000\b", ("300000",)),
    (r"\b0\.2\b", ("0.4",)),
    (r"\bAND\b", ("OR",)),
    (r"\bOR\b", ("AND",)),
    (r"\bIS NOT NULL\b", ("IS NULL",)),
    (r"\bIS NULL\b", ("IS NOT NULL",)),
    (r"\bNOT IN\b", ("IN",)),
    (r"\bSUM\b", ("MAX", "AVG")),
    (r"\bMIN\b", ("MAX",)),
    (r"\bAVG\b", ("SUM", "MAX")),
    (r"\bLEFT JOIN\b", ("JOIN",)),
    (r"\bUNION ALL\b", ("UNION",)),
    (r"\bDISTINCT ", ("",)),
    (r"\bLAST_DAY\(FIRST_DAY\)", ("DATEADD(day, 27, FIRST_DAY)",)),
    (r"\bHH12\b", ("HH24",)),
    (r"\bHH24\b", ("HH12",)),
    (r"\bMM/DD\b", ("DD/MM",)),
    (r"'(member|casual|old|new|Subscriber|Customer|LOAD_FAILED|REPLACED)'", ("'other'",)),
    (r"\bSTART_STATION_ID\b", ("START_STATION_NAME",)),
    (r"\bSTART_STATION_LATITUDE\b", ("START_STATION_LONGITUDE",)),
    (r"\bEND_STATION_LONGITUDE\b", ("END_STATION_LATITUDE",)),
    (r"\bEND_LAT\b", ("END_LNG",)),
    (r"\bSTARTTIME\b", ("STOPTIME",)),
    (r"\bENDED_AT\b", ("STARTED_AT",)),
    (r"'/', -1", ("'/', 1",)),
    (r"\bday\b", ("month",)),
    (r"min_rows: 1", ("min_rows: 0",)),
    (r"\bunique: \[", ("not_null: [",)),
    (r"\[RIDE_ID\]", ("[START_STATION_ID]",)),
    (r"\[SMOKER\]", ("[REGION]",)),
    (r"actual: CHARGES", ("actual: PREDICTION",)),
)


@dataclass(frozen=True)
class Mutant:
    """A change of a file of a pipeline."""

    spec: str
    step: str
    file: str
    start: int
    end: int
    text: str


def mutants() -> list[Mutant]:
    """List all changes."""
    return [
        found
        for spec, steps in TESTED.items()
        for step, file in steps.items()
        for found in _of(spec, step, file)
    ]


def _of(spec: str, step: str, file: str | None) -> Iterator[Mutant]:
    text = (PIPELINES / (file or spec)).read_text()
    begin, end = 0, len(text)
    if file is None:
        found = re.search(rf"^  {step}:\n((?:    .*\n|\n)+)", text, re.M)
        assert found is not None, step
        begin, end = found.span(1)
    for pattern, replacements in CHANGES:
        for match in re.finditer(pattern, text[begin:end]):
            line = text[text.rfind("\n", 0, begin + match.start()) + 1 : begin + match.start()]
            if "--" in line or "description:" in line or line.lstrip().startswith("#"):
                continue
            for replacement in replacements:
                yield Mutant(
                    spec, step, file or spec, begin + match.start(), begin + match.end(), replacement
                )


def is_caught(mutant: Mutant) -> bool:
    """Return whether a test of the step fails, or the spec is invalid."""
    with tempfile.TemporaryDirectory() as folder:
        for name in (mutant.spec, mutant.spec.replace(".yaml", ".tests.yaml")):
            shutil.copy(PIPELINES / name, folder)
        for each in ("citibike", "insurance", "minimal", "retail"):
            shutil.copytree(PIPELINES / each, Path(folder, each))
        path = Path(folder, mutant.file)
        text = path.read_text()
        path.write_text(text[: mutant.start] + mutant.text + text[mutant.end :])
        spec = Path(folder, mutant.spec)
        try:
            tests = find_tests(spec)
        except SnowpipeMLError:
            return True
        own = [found for found in tests if not found.test.step or mutant.step in found.test.step]
        return any(not result.ok for result in run_tests(spec, own, workers=1))


def main() -> None:
    """Print the mutants that no test catches, and how many are caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--number", type=int, default=100)
    given = parser.parse_args()
    chosen = random.Random(given.seed).sample(mutants(), given.number)
    caught = 0
    for number, mutant in enumerate(chosen, 1):
        found = is_caught(mutant)
        caught += found
        if not found:
            before = (PIPELINES / mutant.file).read_text()[mutant.start : mutant.end]
            print(
                f"not caught: {mutant.file} {mutant.step}: {before!r} -> {mutant.text!r} at {mutant.start}",
                flush=True,
            )
        print(f"{caught} of {number} caught", flush=True)


if __name__ == "__main__":
    main()
