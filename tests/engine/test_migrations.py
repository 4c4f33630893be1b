"""Run metadata of earlier versions is migrated to the current one; that of later versions is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from snowpipe_ml import Pipeline, __version__
from snowpipe_ml.engine.records.migrations import MIGRATIONS
from snowpipe_ml.errors import UsageError
from tests.conftest import write_spec

SPEC = "steps:\n  one: {type: transform, query: SELECT 1 AS X, writes: one}\n"


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline.from_yaml(write_spec(tmp_path, SPEC))


def asked(pipeline: Pipeline, *statements: str) -> list[tuple[object, ...]]:
    session = pipeline.session()
    try:
        for statement in statements:
            rows = session.sql(statement).collect()
        return [tuple(row) for row in rows]
    finally:
        session.close()


def test_records_of_the_first_version_are_kept_and_read(pipeline: Pipeline) -> None:
    first = pipeline.run()
    # The tables of the first version had no column WRITTEN_BY and no version number.
    asked(
        pipeline, "ALTER TABLE SNOWPIPE_ML.EVENTS DROP COLUMN WRITTEN_BY", "DROP TABLE SNOWPIPE_ML.MIGRATIONS"
    )
    second = pipeline.run()
    assert second.steps["one"].message == f"unchanged since {first.run.id}"
    rows = asked(pipeline, "SELECT DISTINCT RUN_ID, WRITTEN_BY FROM SNOWPIPE_ML.EVENTS ORDER BY 1")
    assert rows == [(first.run.id, None), (second.run.id, f"snowpipe-ml {__version__}")]
    assert asked(pipeline, "SELECT VERSION FROM SNOWPIPE_ML.MIGRATIONS ORDER BY 1") == [
        (version,) for version in range(1, len(MIGRATIONS) + 1)
    ]


def test_records_of_a_later_version_are_not_touched(pipeline: Pipeline) -> None:
    pipeline.run()
    asked(pipeline, "INSERT INTO SNOWPIPE_ML.MIGRATIONS SELECT 99, SYSDATE()")
    before = asked(pipeline, "SELECT COUNT(*) FROM SNOWPIPE_ML.EVENTS")
    with pytest.raises(UsageError, match=r"has version 99, and this snowpipe-ml supports up to \d"):
        pipeline.run()
    assert asked(pipeline, "SELECT COUNT(*) FROM SNOWPIPE_ML.EVENTS") == before


PROD = """\
  prod: {type: snowflake, connection: nowhere, database: DEMO, schema: PUBLIC}
steps:
  one: {type: transform, query: SELECT 1 AS X, writes: theirs}
  two: {type: transform, query: "SELECT * FROM {{ ref('theirs') }}", writes: ours}
"""


def test_a_table_of_somebody_else_is_replaced_only_if_that_is_allowed(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, PROD))
    session = pipeline.session("local")
    session.sql("CREATE TABLE THEIRS AS SELECT 41 AS X").collect()
    plan = {step.name: step.decision for step in pipeline.plan("local", compare=True)}
    assert plan["one"] is not None
    assert str(plan["one"].destroys) == "THEIRS"
    with pytest.raises(UsageError, match=r"one would replace THEIRS: .*--allow-destructive"):
        pipeline.run("prod", session=session)
    assert session.sql("SELECT * FROM THEIRS").collect() == [(41,)]
    assert pipeline.run("prod", session=session, allow_destructive=True).ok
    # Now it is ours.
    assert pipeline.run("prod", session=session, full_refresh=True).ok
    session.close()
