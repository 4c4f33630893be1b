"""Tasks run by their schedules and streams: https://docs.snowflake.com/en/user-guide/tasks-intro."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from snowpipe_ml.local.client.connect import connect
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.server.http import WarehouseServer
from snowpipe_ml.local.server.scheduler import Scheduler

ROOT = ("LOCAL", "PUBLIC", "ROOT")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    opened = connect(tmp_path / "warehouse", "local")
    assert isinstance(opened, Connection)
    yield opened
    opened.close()


@pytest.fixture
def scheduler(connection: Connection) -> Iterator[Scheduler]:
    made = Scheduler(connection.storage)
    yield made
    made.close()


def ask(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    return list(connection.cursor().execute(statement).fetchall())


def test_by_cron(connection: Connection, scheduler: Scheduler) -> None:
    ask(connection, "CREATE TABLE log (what VARCHAR, at VARCHAR)")
    ask(
        connection,
        "CREATE TASK root SCHEDULE = 'USING CRON 0 6 2 * * Europe/Berlin' TIMEZONE = 'UTC' AS INSERT INTO log "
        "SELECT 'root', SYSTEM$TASK_RUNTIME_INFO('CURRENT_TASK_GRAPH_ORIGINAL_SCHEDULED_TIMESTAMP')",
    )
    ask(connection, "CREATE TASK child AFTER root AS INSERT INTO log VALUES ('child', NULL)")
    assert scheduler.tick(NOON) == []
    ask(connection, "SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('root')")
    assert scheduler.tick(NOON) == []
    due = datetime(2030, 1, 2, 5, tzinfo=UTC)
    assert scheduler.tick(due - timedelta(seconds=1)) == []
    assert scheduler.tick(due + timedelta(seconds=1)) == [ROOT]
    scheduler.wait()
    assert ask(connection, "SELECT * FROM log ORDER BY 1") == [
        ("child", None),
        ("root", "2030-01-02 05:00:00.000+00:00"),
    ]
    # One run, however many were missed.
    assert scheduler.tick(due + timedelta(days=100)) == [ROOT]
    scheduler.wait()
    assert scheduler.tick(due + timedelta(days=100)) == []
    ask(connection, "ALTER TASK root SUSPEND")
    assert scheduler.tick(due + timedelta(days=200)) == []


def test_a_run_that_is_due_while_the_graph_runs_is_left_out(
    connection: Connection, scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    ask(connection, "CREATE TABLE log (what VARCHAR)")
    ask(connection, "CREATE TASK root SCHEDULE = '10 MINUTES' AS SELECT SYSTEM$WAIT(600)")
    ask(connection, "CREATE TASK final FINALIZE = root AS INSERT INTO log VALUES ('final')")
    ask(connection, "SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('root')")
    assert scheduler.tick(NOON) == []
    assert scheduler.tick(NOON + timedelta(minutes=10)) == [ROOT]
    assert scheduler.tick(NOON + timedelta(minutes=21)) == []
    assert "is skipped: its graph runs" in caplog.text
    scheduler.close()  # cancels the task, and not the finalizer
    history = 'SELECT name, state, scheduled_from FROM "LOCAL"._SNOWPIPE.TASK_RUNS ORDER BY started'
    found = connection.session.duck.execute(history).fetchall()
    assert found == [("ROOT", "CANCELLED", "SCHEDULE"), ("FINAL", "SUCCEEDED", "SCHEDULE")]
    assert ask(connection, "SELECT what FROM log") == [("final",)]


def test_a_finalizer_that_takes_long_is_canceled_with_its_graph(
    connection: Connection, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snowpipe_ml.local.statements.task_graphs._TO_FINALIZE", 0.05)
    ask(connection, "CREATE TASK root SCHEDULE = '10 MINUTES' AS SELECT SYSTEM$WAIT(600)")
    ask(connection, "CREATE TASK final FINALIZE = root AS SELECT SYSTEM$WAIT(600)")
    ask(connection, "SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('root')")
    assert scheduler.tick(NOON) == []
    assert scheduler.tick(NOON + timedelta(minutes=10)) == [ROOT]
    scheduler.close()
    history = 'SELECT name, state FROM "LOCAL"._SNOWPIPE.TASK_RUNS ORDER BY started'
    found = connection.session.duck.execute(history).fetchall()
    assert found == [("ROOT", "CANCELLED"), ("FINAL", "CANCELLED")]


def test_when_a_stream_has_data(connection: Connection, scheduler: Scheduler) -> None:
    ask(connection, "CREATE TABLE t (n INT)")
    ask(connection, "CREATE TABLE log (n INT)")
    ask(connection, "CREATE STREAM s ON TABLE t")
    ask(connection, "CREATE TASK root WHEN SYSTEM$STREAM_HAS_DATA('s') AS INSERT INTO log SELECT n FROM s")
    ask(connection, "ALTER TASK root RESUME")
    assert scheduler.tick(NOON) == []
    ask(connection, "INSERT INTO t VALUES (1)")
    assert scheduler.tick(NOON + timedelta(seconds=10)) == [ROOT]
    scheduler.wait()
    assert ask(connection, "SELECT n FROM log") == [(1,)]
    ask(connection, "INSERT INTO t VALUES (2)")
    assert scheduler.tick(NOON + timedelta(seconds=20)) == []  # at most every 30 seconds
    assert scheduler.tick(NOON + timedelta(seconds=41)) == [ROOT]
    scheduler.wait()
    assert ask(connection, "SELECT n FROM log ORDER BY 1") == [(1,), (2,)]
    assert ask(
        connection, "SELECT DISTINCT SCHEDULED_FROM FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY())"
    ) == [("TRIGGER",)]


def test_a_server_runs_what_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snowpipe_ml.local.server.scheduler._TICK", 0.01)
    ticked = threading.Event()
    monkeypatch.setattr(Scheduler, "tick", lambda self, now: ticked.set())
    server = WarehouseServer(tmp_path / "warehouse", 0, "token", "LOCAL", tasks=True)
    try:
        assert ticked.wait(60)
    finally:
        server.close()
    assert "task-scheduler" not in {thread.name for thread in threading.enumerate()}
