"""The example as a graph of Snowflake's tasks, on the embedded warehouse."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.export.deployment import deploy, drop
from snowpipe_ml.engine.export.graph import draw
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.server.scheduler import Scheduler
from tests.conftest import ask, write_spec
from tests.integrations.orders import DATE, TABLES, Found, found

pytestmark = pytest.mark.integrations
EXECUTE = f"""EXECUTE TASK ORDERS USING CONFIG = '{{"run_date": "{DATE}"}}'"""
HISTORY = "SELECT NAME, STATE, ATTEMPT_NUMBER FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY()) WHERE QUERY_ID IS NOT NULL"
STEPS = (
    *("SETUP", "FETCH_ORDERS", "FETCH_RETURNS", "LOAD_ORDERS", "LOAD_RETURNS", "CHECK_AMOUNTS"),
    *("SOLD", "BY_REGION", "AUDIT", "FORECAST", "SCORE"),
)


def let_fail_in_the_task(spec: Path) -> None:
    """Let the servers fail once in each process of the procedure, which cannot see the environment."""
    sample = spec.parent / "orders" / "sample.py"
    text = sample.read_text()
    own = text.replace('os.environ.get("ORDERS_FAILURES")', "str(Path(__file__).parent)")
    assert own != text
    sample.write_text(own)
    for name in ("orders", "returns"):
        (spec.parent / "failures" / name).touch()


def test_a_graph_leaves_what_the_command_leaves(spec: Path, by_command: Found) -> None:
    let_fail_in_the_task(spec)
    said: list[str] = []
    pipeline = Pipeline.from_yaml(spec)
    session = pipeline.session()  # keeps the warehouse open
    try:
        deploy(draw(pipeline), said.append)
        assert ask(pipeline, EXECUTE) == [("Task ORDERS is scheduled to run immediately.",)]
        names = ["ORDERS", "ORDERS_FINISH", *(f"ORDERS__{step}" for step in STEPS)]
        assert ask(pipeline, f"{HISTORY} ORDER BY 1") == [(name, "SUCCEEDED", 1) for name in sorted(names)]
        assert found(spec) == by_command
        assert len(said) == 3
        deploy(draw(pipeline, exclude=["audit"]), said.append)
        assert said[3:] == [
            *(line for line in said[3:] if line.startswith("staged")),
            "dropped the task ORDERS__AUDIT",
            "12 tasks of ORDERS.ML.ORDERS are resumed: USING CRON 0 6 2 * * UTC",
        ]
        assert {row[10] for row in ask(pipeline, "SHOW TASKS")} == {"started"}
        drop(draw(pipeline))
        assert ask(pipeline, "SHOW TASKS") == []
        assert ask(pipeline, "SHOW PROCEDURES LIKE 'ORDERS%'") == []
        assert ask(pipeline, "SELECT COUNT(*) FROM SOLD") == [(1344,)]
    finally:
        session.close()


def test_retry_last_goes_on_with_the_run(spec: Path, by_command: Found) -> None:
    """A step fails for good, and then its cause is removed: the tables are those of an undisturbed run."""
    text = spec.read_text()
    spec.write_text(
        text.replace("retries: 1}", "retries: 0}").replace(
            "      SELECT ID, DAY, REGION, AMOUNT FROM",
            "      SELECT ID, DAY, REGION, AMOUNT / (SELECT N FROM ONE) AS AMOUNT FROM",
        )
    )
    for name in ("orders", "returns"):
        (spec.parent / "failures" / name).touch()
    pipeline = Pipeline.from_yaml(spec)
    session = pipeline.session()
    try:
        ask(pipeline, "CREATE TABLE ONE AS SELECT 0::NUMBER(1, 0) AS N")
        deploy(draw(pipeline))
        ask(pipeline, EXECUTE)
        failed = {name: state for name, state, _ in ask(pipeline, HISTORY)}
        assert failed.pop("ORDERS__SOLD") == "FAILED"
        assert set(failed.values()) == {"SUCCEEDED"}
        assert {"ORDERS_FINISH", "ORDERS__AUDIT", "ORDERS__CHECK_AMOUNTS"} <= set(failed)
        assert "ORDERS__BY_REGION" not in failed
        assert ask(pipeline, "SELECT STATUS FROM SNOWPIPE_ML.RUNS") == [("failed",)]
        assert ask(pipeline, "SELECT RUN_ID FROM SNOWPIPE_ML.LOCKS") == [(None,)]
        ask(pipeline, "UPDATE ONE SET N = 1")
        ask(pipeline, "EXECUTE TASK ORDERS RETRY LAST")
        again = sorted(
            name for name, state, attempt in ask(pipeline, HISTORY) if attempt == 2 and state == "SUCCEEDED"
        )
        assert again == [
            "ORDERS_FINISH",
            *(f"ORDERS__{step}" for step in ("BY_REGION", "FORECAST", "SCORE", "SOLD")),
        ]
        assert ask(pipeline, "SELECT STATUS FROM SNOWPIPE_ML.RUNS") == [("success",)]
        for name, what in TABLES.items():
            rows = ask(pipeline, f"SELECT {what} FROM {name} ORDER BY ALL")
            assert [tuple(map(float_of, row)) for row in rows] == [
                tuple(map(float_of, row)) for row in by_command.tables[name]
            ]
        (value,) = ask(
            pipeline,
            "SELECT RETURN_VALUE FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(TASK_NAME => 'ORDERS_FINISH')) "
            "ORDER BY ATTEMPT_NUMBER DESC LIMIT 1",
        )[0]
        assert json.loads(value)["status"] == "success"
    finally:
        session.close()


def test_a_canceled_finalizer_does_not_stop_the_next_run(tmp_path: Path) -> None:
    """A graph has one run at a time: the next one finishes the run whose finalizer was canceled."""
    spec = write_spec(
        tmp_path,
        "schedule: {cron: '0 6 2 * *'}\nsteps:\n  a: {type: transform, query: SELECT 1 AS X, writes: ta}\n",
    )
    pipeline = Pipeline.from_yaml(spec)
    session = pipeline.session()
    try:
        deploy(draw(pipeline))
        (procedure,) = (row[1] for row in ask(pipeline, "SHOW PROCEDURES LIKE '%RUN_STEP'"))
        root = procedure.removesuffix("_RUN_STEP")
        ask(pipeline, f"ALTER TASK {root} SUSPEND")
        ask(pipeline, f"ALTER TASK {root}_FINISH SUSPEND")
        ask(pipeline, f"EXECUTE TASK {root}")
        held = "SELECT RUN_ID FROM SNOWPIPE_ML.LOCKS"
        assert ask(pipeline, held) != [(None,)]
        ask(pipeline, f"ALTER TASK {root}_FINISH RESUME")
        ask(pipeline, f"EXECUTE TASK {root}")
        assert ask(pipeline, "SELECT STATUS FROM SNOWPIPE_ML.RUNS") == [("success",)] * 2
        assert ask(pipeline, held) == [(None,)]
    finally:
        session.close()


@pytest.mark.parametrize(
    ("given", "origin"),
    [("schedule: {on_changes: true}", "TRIGGER"), ("trigger: {stream: changes, minutes: 1}", "SCHEDULE")],
)
def test_a_graph_runs_when_a_stream_has_changes(tmp_path: Path, given: str, origin: str) -> None:
    spec = write_spec(
        tmp_path,
        f"{given}\n"
        "tables: {raw: {columns: {ID: varchar, N: number}}}\n"
        "streams: {changes: {table: raw}}\n"
        "steps:\n  into: {type: merge, from: {stream: changes}, into: merged, key: [ID]}\n",
    )
    pipeline = Pipeline.from_yaml(spec)
    session = pipeline.session()
    warehouse = session.connection
    assert isinstance(warehouse, Connection)
    scheduler = Scheduler(warehouse.storage)
    try:
        assert pipeline.run().ok
        deploy(draw(pipeline))
        noon = datetime.now(UTC)
        assert scheduler.tick(noon) == []
        ask(pipeline, "INSERT INTO RAW VALUES ('a', 1), ('b', 2)")
        assert len(scheduler.tick(noon + timedelta(seconds=61))) == 1
        scheduler.wait()
        assert ask(pipeline, "SELECT * FROM MERGED ORDER BY 1") == [("a", 1), ("b", 2)]
        assert scheduler.tick(noon + timedelta(seconds=90)) == []  # not due, or nothing new
        assert {row[0] for row in ask(pipeline, "SELECT STATUS FROM SNOWPIPE_ML.RUNS")} == {"success"}
        origins = "SELECT DISTINCT SCHEDULED_FROM FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY())"
        assert ask(pipeline, origins) == [(origin,)]
    finally:
        scheduler.close()
        session.close()


def float_of(value: object) -> object:
    """A division has more digits after the point: compare numbers as numbers."""
    return float(str(value)) if type(value).__name__ == "Decimal" else value
