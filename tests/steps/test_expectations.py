"""The step type ``expect``, which checks a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import write_spec

ROWS = """\
steps:
  stations: {type: transform, query: "SELECT $1 AS ID FROM VALUES ('a'), ('b')", writes: stations}
  trips:
    type: transform
    query: |
      SELECT $1 AS ID, $2 AS STATION, $3 AS MINUTES, $4::TIMESTAMP_NTZ AS AT FROM VALUES
      (1, 'a', 5, '2024-01-01'), (2, 'b', -1, {{ vars.newest | literal }}), (2, 'x', 9, NULL), (NULL, NULL, 7, NULL)
    writes: trips
  check: {type: expect, table: trips, CHECKS}
vars: {newest: "2024-01-02"}
"""


def checked(folder: Path, checks: str, newest: str = "2024-01-02") -> tuple[str, Pipeline]:
    """The message of the step."""
    pipeline = Pipeline.from_yaml(write_spec(folder, ROWS.replace("CHECKS", checks)), vars={"newest": newest})
    result = pipeline.run().steps["check"]
    return " ".join([result.message, *result.warnings]), pipeline


# The settings of a step, and its message.
CHECKS = {
    "min_rows: 5": "TRIPS: 4 rows, at least 5 expected",
    "max_rows: 3": "TRIPS: 4 rows, at most 3 expected",
    "not_null: [ID, STATION]": "TRIPS: not_null ID: 1 rows; not_null STATION: 1 rows",
    "unique: [ID]": "TRIPS: unique ID: 2 rows",
    "unique: [ID, STATION]": "1 check passed",
    "accepted_values: {STATION: [a, b]}": "TRIPS: accepted_values STATION: 1 rows",
    "ranges: {MINUTES: [0, 8]}": "TRIPS: ranges MINUTES: 2 rows",
    "predicate: MINUTES > 0 -- or so": "TRIPS: predicate: 1 rows",
    "relations: {STATION: {table: stations, column: ID}}": "TRIPS: relations STATION: 1 rows",
    "relations: {ID: {table: trips, column: ID}}": "1 check passed",
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The message of a step ``expect`` with each of these settings, from one run."""
    step = "  check: {type: expect, table: trips, CHECKS}\n"
    assert step in ROWS
    steps = "".join(
        step.replace("check", f"check_{number}", 1).replace("CHECKS", checks)
        for number, checks in enumerate(CHECKS)
    )
    path = write_spec(tmp_path_factory.mktemp("checks"), ROWS.replace(step, steps))
    outcomes = Pipeline.from_yaml(path).run().steps
    found = [outcomes[f"check_{number}"] for number in range(len(CHECKS))]
    return {
        checks: " ".join([step.message, *step.warnings]) for checks, step in zip(CHECKS, found, strict=True)
    }


@pytest.mark.parametrize("checks", CHECKS)
def test_each_check_counts_the_rows_that_fail_it(messages: dict[str, str], checks: str) -> None:
    assert messages[checks] == CHECKS[checks]


def test_freshness_is_of_now(tmp_path: Path) -> None:
    recent = f"{datetime.now(UTC) - timedelta(hours=2):%Y-%m-%d %H:%M:%S}"
    fresh = "freshness: {column: AT, within_hours: 3}"
    said, pipeline = checked(tmp_path, fresh, recent)
    assert said == "1 check passed"
    plan = {step.name: step.decision for step in pipeline.plan(compare=True)}
    assert plan["check"] is not None
    assert plan["check"].reason == "the freshness of a table changes with time"
    said, _ = checked(tmp_path, fresh.replace("3", "1"), recent)
    assert said.startswith("TRIPS: freshness AT: the newest row is from ")
    assert said.endswith(("2.0 hours ago", "2.1 hours ago"))


def test_a_relation_is_an_edge(tmp_path: Path) -> None:
    _, pipeline = checked(tmp_path, "relations: {STATION: {table: stations, column: ID}}")
    assert pipeline.graph().needs("check") == ["stations", "trips"]
    with pytest.raises(SpecError, match="unknown table 'station'"):
        checked(tmp_path, "relations: {STATION: {table: station, column: ID}}")


def test_failing_rows_are_kept_and_a_warning_is_no_failure(tmp_path: Path) -> None:
    said, pipeline = checked(tmp_path, "not_null: [ID], unique: [ID], severity: warn, failures: bad")
    assert said == (
        "2 of 2 checks fail: not_null ID: 1 rows; unique ID: 2 rows "
        "TRIPS: not_null ID: 1 rows; unique ID: 2 rows; the rows are in BAD"
    )
    session = pipeline.session()
    assert session.sql('SELECT "CHECK", ID FROM BAD ORDER BY 1, 2').collect() == [
        ("not_null ID", None),
        ("unique ID", 2),
        ("unique ID", 2),
    ]
    session.close()


def test_a_value_enters_a_predicate_by_a_filter_alone(tmp_path: Path) -> None:
    said, _ = checked(tmp_path, 'predicate: "MINUTES <> {{ vars.newest | literal }}"', newest="9")
    assert said == "TRIPS: predicate: 1 rows"
    with pytest.raises(
        SpecError, match=r"(?s)'9 OR TRUE' would be inserted into SQL as bare text.*predicate"
    ):
        checked(tmp_path, 'predicate: "MINUTES <> {{ vars.newest }}"', newest="9 OR TRUE")


def test_an_explanation_that_fails_leaves_the_result_of_the_check(tmp_path: Path) -> None:
    (tmp_path / "explain.sql").write_text("SELECT * FROM NO_SUCH_TABLE")
    said, pipeline = checked(tmp_path, "min_rows: 5, severity: warn, explain: explain.sql")
    assert "TRIPS: 4 rows, at least 5 expected; the explaining query failed: " in said
    assert "NO_SUCH_TABLE" in said
    assert pipeline.run(full_refresh=True).ok
