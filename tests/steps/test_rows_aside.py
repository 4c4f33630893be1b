"""Rows that a step rejects or leaves out are counted in its line and in a warning, not only in a table."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.ui.terminal import Checklist
from tests.conftest import CITIBIKE, ROOT, write_spec
from tests.trips import count, month_csv, name_of, write_months, zipped


def run(pipeline: Pipeline, **options: Any) -> tuple[RunResult, dict[str, str]]:
    """Run a pipeline; return its result, and the line that a terminal shows for each successful step."""
    out = io.StringIO()
    result = pipeline.run(listeners=[Checklist(Console(width=300, file=out))], **options)
    lines = (re.match(r" \S (\S+) +(.*)", line) for line in out.getvalue().splitlines())
    return result, {line[1]: line[2] for line in lines if line}


def told(result: RunResult) -> str:
    return "\n".join("\n".join((step.message, *step.warnings)) for step in result.steps.values())


def warned(result: RunResult, lines: dict[str, str], step: str, number: str, *words: str) -> None:
    """Check that a step's line has a number, and one of its warnings has the number and the words."""
    assert result.ok, told(result)
    assert re.search(rf"(?<![\d.,]){number}(?![\d.,]*\d)", lines[step]), lines[step]
    warnings = result.steps[step].warnings
    assert any(number in warning and all(word in warning for word in words) for warning in warnings), warnings


FILES = """\
stages: {load: {}}
file_formats: {csv: {skip_header: 1}}
tables: {raw: {columns: {A: number, B: varchar}}}
steps:
  extract: {type: extract, from: files, into: "@load/files/", layouts: {ab: {columns: [a, b]}}}
  load: {type: copy_into, from: "@load/files/ab/", into: raw, file_format: csv, on_error: continue}
"""


def test_refused_files_are_counted_in_the_line_of_extract(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "good.csv").write_text("a,b\n1,x\n")
    for number in range(17):
        (tmp_path / "files" / f"odd{number}.csv").write_text(f"q{number}\n")
    result, lines = run(Pipeline.from_yaml(write_spec(tmp_path, FILES)))
    assert result.ok, told(result)
    assert "17 refused" in lines["extract"]
    assert any("odd3.csv" in warning for warning in result.steps["extract"].warnings)


def test_rejected_rows_are_counted_in_the_line_of_copy_into(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x.csv").write_text("a,b\n1,x\n" + "odd,x\n" * 137)
    (tmp_path / "files" / "y.csv").write_text("a,b\n1,x\n" + "odd,x\n" * 1100)
    result, lines = run(Pipeline.from_yaml(write_spec(tmp_path, FILES)))
    assert result.ok, told(result)
    assert "1,237" in lines["load"]
    warnings = "\n".join(result.steps["load"].warnings)
    assert re.search(r"x\.1\.csv\.gz: 137 rows rejected", warnings)
    assert re.search(r"y\.1\.csv\.gz: 1,?100 rows rejected", warnings)


FEATURES = """\
steps:
  events:
    type: transform
    query: >-
      SELECT 'k' || MOD(SEQ4(), 3) AS K, DATEADD(day, FLOOR(SEQ4() / 3), '2023-01-01'::DATE) AS AT
      FROM TABLE(GENERATOR(ROWCOUNT => 180))
      UNION ALL SELECT ODD FROM TABLE(GENERATOR(ROWCOUNT => 137))
    writes: events
  covered: {type: transform, query: "SELECT DISTINCT AT AS DATE FROM {{ ref('events') }} WHERE YEAR(AT) = 2023", writes: covered}
  features: {type: features, from: events, partition_by: K, timestamp: AT, target: N, calendar: covered, lags: [1],
             min_history: 20, max_idle: 10, writes: features, left_out: left_out}
"""


@pytest.mark.parametrize(
    ("odd", "column"),
    [
        ("NULL, '2023-01-05'::DATE", "K"),
        ("'k1', NULL", "AT"),
        ("'k1', '2021-06-05'::DATE", "COVERED"),
    ],
    ids=["no series", "no time", "a day that the calendar does not cover"],
)
def test_events_that_no_series_can_have_are_counted_in_the_line_of_features(
    tmp_path: Path, odd: str, column: str
) -> None:
    result, lines = run(Pipeline.from_yaml(write_spec(tmp_path, FEATURES.replace("ODD", odd))))
    warned(result, lines, "features", "137", column)


def test_series_that_are_left_out_are_a_warning_of_features(tmp_path: Path) -> None:
    odd = "'new' || SEQ4(), '2023-02-25'::DATE"
    result, lines = run(Pipeline.from_yaml(write_spec(tmp_path, FEATURES.replace("ODD", odd))))
    warned(result, lines, "features", "137", "LEFT_OUT", "too little history")


SCORED = """\
steps:
  made:
    type: transform
    query: >-
      SELECT SEQ4() AS ID, IFF(SEQ4() < 137, NULL, 1.5) AS ACTUAL,
      IFF(SEQ4() >= 963, NULL, 1.0) AS PREDICTION FROM TABLE(GENERATOR(ROWCOUNT => 1000))
    writes: made
  evaluate: {type: evaluate, predictions: made, actual: ACTUAL, writes: scores}
  check: {type: expect, table: made, not_null: [ACTUAL], severity: warn, failures: failing}
"""


def test_rows_that_cannot_be_scored_are_counted_in_the_line_of_evaluate(tmp_path: Path) -> None:
    result, lines = run(Pipeline.from_yaml(write_spec(tmp_path, SCORED)))
    warned(result, lines, "evaluate", "137", "ACTUAL")
    warned(result, lines, "evaluate", "37", "prediction")


def test_rows_that_fail_a_check_are_counted_in_the_line_of_expect(tmp_path: Path) -> None:
    result, lines = run(Pipeline.from_yaml(write_spec(tmp_path, SCORED)))
    warned(result, lines, "check", "137", "ACTUAL", "FAILING")


@pytest.fixture
def citibike(tmp_path: Path) -> Path:
    """A copy of the pipeline, and a folder of months, one of which has times in an unknown format."""
    shutil.copytree(ROOT / "pipelines" / "citibike", tmp_path / "citibike")
    months = tmp_path / "months"
    write_months(months, ["2021-02"])
    odd = month_csv("2020-12", times="%d.%m.%Y, %H h %M").encode()
    (months / f"{name_of('2020-12')}.csv.zip").write_bytes(zipped({f"{name_of('2020-12')}.csv": odd}))
    (months / f"{name_of('2021-01')}.csv.zip").write_bytes(
        zipped({f"{name_of('2021-01')}.csv": month_csv("2021-01").encode()})
    )
    return Path(shutil.copy(CITIBIKE, tmp_path / "citibike.yaml"))


def test_trips_whose_times_no_format_reads_are_a_warning_with_their_number_and_file(citibike: Path) -> None:
    steps = yaml.safe_load(citibike.read_text())["steps"]
    expectations = [name for name, step in steps.items() if step["type"] == "expect"]
    assert expectations, "the pipeline expects nothing of its trips"
    pipeline = Pipeline.from_yaml(citibike, vars={"source": "months"})
    result, lines = run(pipeline, select=[f"+{name}" for name in expectations])
    assert result.ok, told(result)
    number = f"{count('2020-12'):,}"
    found = {
        name: warning
        for name in expectations
        for warning in result.steps[name].warnings
        if number in warning and name_of("2020-12") in warning
    }
    assert found, told(result)
    assert not any(name_of("2021-01") in warning for warning in found.values())
    assert any(number in lines[name] for name in found), lines


def test_trips_whose_times_are_read_are_no_warning(citibike: Path) -> None:
    (citibike.parent / "months" / f"{name_of('2020-12')}.csv.zip").unlink()
    steps = yaml.safe_load(citibike.read_text())["steps"]
    expectations = [name for name, step in steps.items() if step["type"] == "expect"]
    assert expectations, "the pipeline expects nothing of its trips"
    result, _ = run(
        Pipeline.from_yaml(citibike, vars={"source": "months"}), select=[f"+{n}" for n in expectations]
    )
    assert result.ok, told(result)
    assert [warning for step in result.steps.values() for warning in step.warnings] == []
