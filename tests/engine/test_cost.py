"""The credits of a run: as an account has attributed them, and by the seconds of the embedded warehouse."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.engine.records.cost import run_cost
from snowpipe_ml.engine.records.leftovers import QueryTag
from snowpipe_ml.errors import UsageError
from snowpipe_ml.sql import QualifiedName
from tests.conftest import write_spec

SPEC = """\
steps:
  small: {type: transform, query: SELECT 1 AS X, writes: small}
  big: {type: transform, query: "SELECT X FROM {{ ref('small') }}", writes: big}
"""
TAGS = QueryTag("demo", "local", QualifiedName.parse("DEMO.SNOWPIPE_ML"))


def answers(pipeline: Pipeline, run: str) -> None:
    """Create the views of an account with recorded answers."""
    with closing(pipeline.session()) as session:

        def tell(statement: str, *values: Any) -> None:
            session.sql(statement, list(values)).collect()

        tell("CREATE DATABASE SNOWFLAKE")
        tell("CREATE SCHEMA SNOWFLAKE.ACCOUNT_USAGE")
        tell(
            "CREATE TABLE SNOWFLAKE.ACCOUNT_USAGE.QUERY_ATTRIBUTION_HISTORY (QUERY_TAG VARCHAR, WAREHOUSE_NAME VARCHAR, "
            "CREDITS_ATTRIBUTED_COMPUTE FLOAT, CREDITS_USED_QUERY_ACCELERATION FLOAT, START_TIME TIMESTAMP_LTZ, "
            "END_TIME TIMESTAMP_LTZ)"
        )
        for tag, warehouse, used, accelerated in (
            (TAGS.of(run, "small"), "LOAD_WH", 0.25, None),
            (TAGS.of(run, "big"), "TRAIN_WH", 2.0, 0.5),
            (TAGS.of(run, "big"), "TRAIN_WH", 1.5, None),
            (TAGS.of("20200101T000000000-abcdef", "big"), "TRAIN_WH", 9.0, None),
            ("another tool", "LOAD_WH", 7.0, None),
        ):
            tell(
                "INSERT INTO SNOWFLAKE.ACCOUNT_USAGE.QUERY_ATTRIBUTION_HISTORY VALUES (?, ?, ?, ?, "
                "'2026-01-01 10:10:00 +0000', '2026-01-01 10:20:00 +0000')",
                *(tag, warehouse, used, accelerated),
            )
        tell(
            "CREATE TABLE SNOWFLAKE.ACCOUNT_USAGE.WAREHOUSE_METERING_HISTORY (WAREHOUSE_NAME VARCHAR, "
            "START_TIME TIMESTAMP_LTZ, END_TIME TIMESTAMP_LTZ, CREDITS_USED_COMPUTE FLOAT, "
            "CREDITS_ATTRIBUTED_COMPUTE_QUERIES FLOAT)"
        )
        tell(
            "INSERT INTO SNOWFLAKE.ACCOUNT_USAGE.WAREHOUSE_METERING_HISTORY VALUES "
            "('LOAD_WH', '2026-01-01 10:00:00 +0000', '2026-01-01 11:00:00 +0000', 8, 2), "
            "('LOAD_WH', '2026-01-01 12:00:00 +0000', '2026-01-01 13:00:00 +0000', 8, 8), "
            "('TRAIN_WH', '2026-01-01 10:00:00 +0000', '2026-01-01 11:00:00 +0000', 5, 4)"
        )


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline.from_yaml(write_spec(tmp_path, SPEC))


def test_credits_are_those_of_the_statements_of_the_run(pipeline: Pipeline) -> None:
    run = pipeline.run().run.id
    answers(pipeline, run)
    with pipeline.history() as history:
        found = run_cost(history)
    assert found.run_id == run
    assert [(step.step, step.credits, step.statements, step.outputs) for step in found.steps] == [
        ("big", 4.0, 2, ("BIG",)),
        ("small", 0.25, 1, ("SMALL",)),
    ]
    assert found.credits == 4.25
    assert [(one.name, one.credits, one.used, one.idle) for one in found.warehouses] == [
        ("LOAD_WH", 0.25, 8.0, 6.0),
        ("TRAIN_WH", 4.0, 5.0, 1.0),
    ]
    (advice,) = found.advice
    assert advice.startswith("LOAD_WH was idle for 75% of its time")


def test_the_command_prints_tables_and_json(pipeline: Pipeline) -> None:
    run = pipeline.run().run.id
    answers(pipeline, run)

    def printed(*options: str) -> str:
        done = CliRunner().invoke(main, ["cost", str(pipeline.path), run, *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    text = printed()
    assert "BIG" in text
    assert f"run {run}: 4.2500 credits, without idle time" in text
    assert json.loads(printed("--json"))["credits"] == 4.25


def test_a_run_without_attributed_credits_and_an_unknown_one(
    pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pipeline.run().run.id
    answers(pipeline, "20200101T000000000-ffffff")
    with pipeline.history() as history:
        assert run_cost(history, run).steps == ()
        with pytest.raises(UsageError, match="no run 'nope'"):
            run_cost(history, "nope")


def test_a_role_that_cannot_read_the_views_is_told_the_grant(pipeline: Pipeline) -> None:
    pipeline.run()
    with closing(pipeline.session()) as session:
        session.sql("CREATE DATABASE SNOWFLAKE").collect()
    with (
        pipeline.history() as history,
        pytest.raises(UsageError, match=r"DATABASE ROLE SNOWFLAKE\.USAGE_VIEWER"),
    ):
        run_cost(history)


def test_the_embedded_warehouse_counts_its_own_seconds(session: Any, query: Callable[[str], Any]) -> None:
    view = "SNOWFLAKE.ACCOUNT_USAGE.QUERY_ATTRIBUTION_HISTORY"
    session.sql("CREATE WAREHOUSE COUNTED").collect()
    session.sql("ALTER SESSION SET QUERY_TAG = 'mine'").collect()
    session.sql("SELECT SYSTEM$WAIT(150, 'MILLISECONDS')").collect()
    session.sql("SELECT 1").collect()
    ((count, used, name),) = query(
        f"SELECT COUNT(*), SUM(CREDITS_ATTRIBUTED_COMPUTE), MAX(WAREHOUSE_NAME) FROM {view} WHERE QUERY_TAG = 'mine'"
    )
    assert (count, name) == (1, "COUNTED")
    assert used >= 0.15 / 3600
    ((whole, attributed),) = query(
        "SELECT SUM(CREDITS_USED_COMPUTE), SUM(CREDITS_ATTRIBUTED_COMPUTE_QUERIES) "
        "FROM SNOWFLAKE.ACCOUNT_USAGE.WAREHOUSE_METERING_HISTORY WHERE WAREHOUSE_NAME = 'COUNTED'"
    )
    assert whole == attributed >= used
