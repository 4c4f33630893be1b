"""The runs of tasks, and of their graphs.

https://docs.snowflake.com/en/sql-reference/functions/task_history
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from snowpipe_ml.local.catalog.tasks import Task
from snowpipe_ml.local.core.names import CATALOG, Name
from snowpipe_ml.local.core.session import Session

EXECUTING, SUCCEEDED, FAILED, SKIPPED, CANCELLED = "EXECUTING", "SUCCEEDED", "FAILED", "SKIPPED", "CANCELLED"
AUTO_SUSPENDED = "FAILED_AND_AUTO_SUSPENDED"
ENDED_BADLY = (FAILED, CANCELLED, AUTO_SUSPENDED)

COLUMNS = (
    ("QUERY_ID", "VARCHAR"),
    ("NAME", "VARCHAR"),
    ("DATABASE_NAME", "VARCHAR"),
    ("SCHEMA_NAME", "VARCHAR"),
    ("QUERY_TEXT", "VARCHAR"),
    ("CONDITION_TEXT", "VARCHAR"),
    ("STATE", "VARCHAR"),
    ("ERROR_CODE", "BIGINT"),
    ("ERROR_MESSAGE", "VARCHAR"),
    ("SCHEDULED_TIME", "TIMESTAMP WITH TIME ZONE"),
    ("QUERY_START_TIME", "TIMESTAMP WITH TIME ZONE"),
    ("NEXT_SCHEDULED_TIME", "TIMESTAMP WITH TIME ZONE"),
    ("COMPLETED_TIME", "TIMESTAMP WITH TIME ZONE"),
    ("ROOT_TASK_ID", "VARCHAR"),
    ("GRAPH_VERSION", "BIGINT"),
    ("RUN_ID", "BIGINT"),
    ("RETURN_VALUE", "VARCHAR"),
    ("SCHEDULED_FROM", "VARCHAR"),
    ("ATTEMPT_NUMBER", "BIGINT"),
    ("CONFIG", "VARCHAR"),
    ("QUERY_HASH", "VARCHAR"),
    ("QUERY_HASH_VERSION", "BIGINT"),
    ("QUERY_PARAMETERIZED_HASH", "VARCHAR"),
    ("QUERY_PARAMETERIZED_HASH_VERSION", "BIGINT"),
    ("GRAPH_RUN_GROUP_ID", "VARCHAR"),
    ("BACKFILL_INFO", "VARCHAR"),
    ("SPCS_JOB_ID", "BIGINT"),
)
"""The columns of TASK_HISTORY, and DuckDB's types."""


@dataclass(frozen=True)
class GraphRun:
    """A run of a graph: one attempt of a graph run group."""

    root: Name
    root_id: str
    group: str
    attempt: int
    version: int
    original: dt.datetime
    scheduled_from: str
    config: str | None


class TaskHistory:
    """The history of the tasks of a database, kept in it.

    A statement that changes it waits for others, since DuckDB refuses to change rows of one table in two
    transactions at once.
    """

    def __init__(self, session: Session, database: str) -> None:
        self._session = session
        self._database = database
        self._table = session.catalog(database, "TASK_RUNS")

    def begin(self, run: GraphRun, task: Task, query_id: str, scheduled: dt.datetime) -> None:
        """Record that a task begins."""
        values: Mapping[str, object] = {
            "schema_name": task.name[1],
            "name": task.name[2],
            "root_name": run.root[2],
            "root_id": run.root_id,
            "group_id": run.group,
            "attempt": run.attempt,
            "version": run.version,
            "original": run.original,
            "scheduled": scheduled,
            "scheduled_from": run.scheduled_from,
            "config": run.config,
            "query_id": query_id,
            "query_text": task.text,
            "condition": task.when,
            "state": EXECUTING,
            "started": dt.datetime.now(dt.UTC),
        }
        marks = ", ".join("?" * len(values))
        self._write(
            f"INSERT INTO {self._table} ({', '.join(values)}) VALUES ({marks})", list(values.values())
        )

    def end(
        self,
        query_id: str,
        state: str,
        value: str | None = None,
        code: int | None = None,
        message: str | None = None,
    ) -> None:
        """Record how a task ended."""
        self._write(
            f"UPDATE {self._table} SET state = ?, return_value = ?, error_code = ?, error_message = ?, "
            "completed = ? WHERE query_id = ?",
            [state, value, code, message, dt.datetime.now(dt.UTC), query_id],
        )

    def auto_suspended(self, run: GraphRun) -> None:
        """Mark the failed tasks of a run as those that had the graph suspended."""
        self._write(
            f"UPDATE {self._table} SET state = '{AUTO_SUSPENDED}' WHERE group_id = ? AND attempt = ? "
            f"AND state = '{FAILED}'",
            [run.group, run.attempt],
        )

    def _write(self, statement: str, values: list[object]) -> None:
        storage = self._session.storage
        with storage.naming((self._database, CATALOG, "TASK_RUNS")):
            storage.root.cursor().execute(statement, values)

    def last(self, root: Name, root_id: str, group: str | None = None) -> GraphRun | None:
        """Return the last run of a graph, or the last of a group."""
        where = "AND group_id = ?" if group is not None else ""
        row = self._session.duck.execute(
            "SELECT group_id, attempt, version, original, scheduled_from, config "
            f"FROM {self._table} WHERE schema_name = ? AND root_name = ? AND root_id = ? {where} "
            "ORDER BY started DESC LIMIT 1",
            [root[1], root[2], root_id, *([group] if group is not None else [])],
        ).fetchone()
        return GraphRun(root, root_id, *row) if row is not None else None

    def states(self, run: GraphRun) -> dict[str, tuple[str, str | None]]:
        """Return the state and the return value of each task of a group up to an attempt, from its last run."""
        found = self._session.duck.execute(
            f"SELECT name, state, return_value FROM {self._table} WHERE group_id = ? AND attempt <= ? "
            "ORDER BY attempt, started",
            [run.group, run.attempt],
        ).fetchall()
        return {name: (state, value) for name, state, value in found}

    def last_success(self, root: Name, root_id: str) -> tuple[str, dt.datetime] | None:
        """Return the last group whose graph succeeded, and when it was scheduled."""
        row = self._session.duck.execute(
            f"SELECT group_id, original FROM {self._table} r WHERE schema_name = ? AND root_name = ? "
            "AND root_id = ? AND name = root_name AND state IN ('SUCCEEDED') AND NOT EXISTS ("
            f"SELECT 1 FROM {self._table} o WHERE o.group_id = r.group_id AND o.state <> 'SUCCEEDED' "
            "AND o.state <> 'SKIPPED' AND o.attempt = ("
            f"SELECT max(attempt) FROM {self._table} WHERE group_id = r.group_id)) "
            "ORDER BY original DESC, started DESC LIMIT 1",
            [root[1], root[2], root_id],
        ).fetchone()
        return (row[0], row[1]) if row is not None else None

    def rows(self) -> list[tuple[object, ...]]:
        """Return the runs as TASK_HISTORY has them, the last scheduled first."""
        return self._session.duck.execute(
            f"""SELECT query_id, name, ?, schema_name, query_text, condition, state, error_code, error_message,
            scheduled, started, NULL, completed, root_id, version, epoch_ms(original), return_value,
            scheduled_from, attempt, config, NULL, NULL, NULL, NULL, group_id, NULL, NULL
            FROM {self._table} ORDER BY scheduled DESC, started DESC""",
            [self._database],
        ).fetchall()
