"""Count the statements that both pipelines send to Snowflake: a first run, and one that finds nothing to do.

    python benchmarks/statements.py

The pipelines run as on their target ``prod``, on an embedded warehouse whose connections pass on what they
receive. The login is not a statement. The limits are those that ``tests/`` keep.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the recording is part of the tests, which are not installed

from snowpipe_ml import Pipeline  # noqa: E402
from tests.recorder import Counted, is_dml, kind_of  # noqa: E402
from tests.trips import write_months, write_weather  # noqa: E402

FIRST, UNCHANGED = 200, 12


def run(name: str, target: str, folder: Path, variables: Mapping[str, object]) -> list[list[str]]:
    """The statements of a first run of a pipeline and of an unchanged one."""
    for path in (ROOT / "pipelines").glob(f"{name.partition('_')[0]}*"):
        (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
    pipeline = Pipeline.from_yaml(folder / f"{name}.yaml", vars=variables)
    settings = pipeline.load(target)[0].target
    counted = Counted(folder / "warehouse", settings.database.name, settings.schema_.name)
    found = []
    for _ in range(2):
        result = pipeline.run(target, session_factory=counted.open)
        assert result.ok, {step.name: step.message for step in result.steps.values() if step.error}
        found.append(counted.taken())
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--show", action="store_true", help="print the statements of the unchanged runs")
    show = parser.parse_args().show
    columns: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        months, weather = folder / "months", folder / "weather.csv"
        write_months(months, ["2021-01", "2021-02", "2021-03"])
        write_weather(weather)
        small = {"lags": [1, 7], "min_history_days": 20, "horizon_days": 5, "months": []}
        given = {
            "source": str(months),
            "weather": str(weather),
            "members": [{"type": "ridge"}, {"type": "seasonal_naive"}],
            **small,
        }
        for pipeline, target, variables in (
            ("citibike", "local", given),
            ("insurance_autogluon", "prod", {"time_limit": 20}),
        ):
            place = folder / pipeline
            place.mkdir()
            columns[f"{pipeline}, first"], columns[f"{pipeline}, unchanged"] = run(
                pipeline, target, place, variables
            )
    counts = {title: Counter(map(kind_of, statements)) for title, statements in columns.items()}
    print("| statements |", " | ".join(counts), "|")
    print("| --- |" + " ---: |" * len(counts))
    for kind in sorted({kind for found in counts.values() for kind in found}):
        print(f"| {kind} |", " | ".join(str(found[kind] or "") for found in counts.values()), "|")
    print("| **all** |", " | ".join(str(found.total()) for found in counts.values()), "|")
    limits = [UNCHANGED if "unchanged" in title else FIRST for title in counts]
    print("| limit |", " | ".join(map(str, limits)), "|")
    rows = [sum(map(is_dml, statements)) for statements in columns.values()]
    print("| DML |", " | ".join(map(str, rows)), "|")
    if show:
        for title, statements in columns.items():
            if "unchanged" in title:
                print(f"\n{title}", *statements, sep="\n")


if __name__ == "__main__":
    main()
