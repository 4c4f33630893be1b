"""Statements and transactions that the killed process of a run has left on the target.

Snowflake does not notice that a client was killed: by default its statement runs on, is paid for, and publishes;
its open transaction keeps the locks on its tables. Who takes over the lock of such a run ends both first.

A statement is found by its query tag, and by the sessions that the run has recorded. A user can see and cancel
their own statements. Those of another user need OPERATE on their warehouse:
https://docs.snowflake.com/en/sql-reference/functions/query_history
https://docs.snowflake.com/en/sql-reference/functions/system_cancel_query
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from snowpipe_ml.errors import LockedError
from snowpipe_ml.plugins.connection import Row
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, sql

log = logging.getLogger("snowpipe_ml.engine")

WAITS = 120.0
"""Seconds that canceled statements may take to end."""

RECORDS = "run metadata"
"""The step in the query tags of statements on the state store; the name of a step has no space."""

_PAUSE = 0.5  # seconds between two looks at the statements that run
_RUNS = "UPPER(EXECUTION_STATUS) IN ('RESUMING_WAREHOUSE', 'RUNNING', 'QUEUED', 'BLOCKED')"
# The function returns running statements first, and at most this many.
_STATEMENTS = 10_000


@dataclass(frozen=True)
class QueryTag:
    """The query tags of a pipeline on a target: JSON that begins with what all its statements share.

    Attributes:
        pipeline: the pipeline's name.
        target: the target's name.
        records: the schema of the state store, as the same names may be used with several; None for none.
    """

    pipeline: str
    target: str
    records: QualifiedName | None

    @property
    def prefix(self) -> str:
        """The beginning of all tags."""
        shared = {"pipeline": self.pipeline, "target": self.target}
        if self.records is not None:
            shared["records"] = self.records.sql
        return json.dumps(shared)[:-1] + ", "

    def of(self, run_id: str, step: str) -> str:
        """Return the query tag of the statements of a step."""
        return self.prefix + json.dumps({"run": run_id, "step": step})[1:]

    def of_records(self, run_id: str) -> str:
        """Return the query tag of the statements that a run sends to the state store.

        It does not begin with the prefix: a run that takes a lock over must not cancel the statements with which
        another one looks at the lock.
        """
        return json.dumps({"run": run_id, "step": RECORDS, **json.loads(self.prefix[:-2] + "}")})


@dataclass(frozen=True)
class Leftovers:
    """Ends the statements and transactions of killed processes of a pipeline.

    Args:
        run: runs a statement on the connection of the state store, with retries.
        database: the database of the state store.
        tag: the query tags of the pipeline.
        own: the session of this process, whose statements have the tag too.
        sleep: waits between two looks.
        waits: seconds that canceled statements may take to end.
    """

    run: Callable[[Sql], list[Row]]
    database: Identifier
    tag: QueryTag
    own: int
    sleep: Callable[[float], None] = time.sleep
    waits: float = WAITS

    def end(self, recorded: Collection[int]) -> None:
        """Cancel what runs, wait until it has ended, and abort the transactions of its sessions.

        Args:
            recorded: the sessions that the killed processes have recorded.

        Raises:
            LockedError: a statement is still running after the time that it may take to end.
        """
        sessions = set(recorded) - {self.own}
        canceled: set[str] = set()
        deadline = time.monotonic() + self.waits
        while True:
            found = self._statements(sessions)
            sessions |= {session for session, _ in found}
            running = {query: session for session, query in found if query is not None}
            if not running:
                break
            if time.monotonic() > deadline:
                raise LockedError(
                    f"a killed process of {self.tag.pipeline} has left statements on {self.tag.target} that were "
                    f"canceled and run on after {self.waits:.0f} s: {', '.join(sorted(running))}; cancel them with a "
                    "role that has OPERATE on their warehouse, and run again"
                )
            for query, session in running.items():
                if query not in canceled:
                    log.warning(
                        "canceling a statement that a killed process left running: %s in session %s",
                        query,
                        session,
                    )
                self.run(sql("SELECT SYSTEM$CANCEL_QUERY({id})", id=Literal(query)))
                canceled.add(query)
            self.sleep(_PAUSE)
        if sessions:
            self._abort(sessions)

    def _statements(self, sessions: Collection[int]) -> list[tuple[int, str | None]]:
        """Return the sessions of the pipeline's statements, each with a statement that runs, or None."""
        rows = self.run(
            sql(
                "SELECT DISTINCT SESSION_ID, CASE WHEN {runs} THEN QUERY_ID END AS QUERY_ID "
                "FROM TABLE({database}.INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => {limit})) "
                "WHERE SESSION_ID <> {own} AND (STARTSWITH(QUERY_TAG, {tag}) OR SESSION_ID IN ({sessions}))",
                runs=Sql(_RUNS),
                database=self.database,
                limit=Literal(_STATEMENTS),
                own=Literal(self.own),
                tag=Literal(self.tag.prefix),
                sessions=Sql(", ".join(str(number) for number in sorted(sessions)) or "NULL"),
            )
        )
        return [(int(row[0]), None if row[1] is None else str(row[1])) for row in rows]

    def _abort(self, sessions: Collection[int]) -> None:
        """Abort the open transactions of sessions, which would block the next run for five minutes.

        https://docs.snowflake.com/en/sql-reference/transactions#aborting-transactions
        """
        for row in self.run(Sql("SHOW TRANSACTIONS")):
            if int(row["session"]) in sessions:
                log.warning("aborting a transaction that a killed process left open: %s", row["id"])
                self.run(sql("SELECT SYSTEM$ABORT_TRANSACTION({id})", id=Literal(int(row["id"]))))


def recorded_sessions(
    run: Callable[[Sql], list[Row]], events: QualifiedName, pipeline: str, target: str
) -> list[int]:
    """Return the sessions that were opened since a run of the pipeline has last recorded its end."""
    rows = run(
        sql(
            "SELECT DISTINCT PARSE_JSON(DETAILS):session::NUMBER FROM {events} WHERE PIPELINE = {pipeline} "
            "AND TARGET = {target} AND EVENT IN ('session_opened', 'step_started') AND AT > COALESCE((SELECT MAX(AT) "
            "FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target} AND EVENT = 'run_finished'), "
            "'1970-01-01'::TIMESTAMP_NTZ)",
            events=events,
            pipeline=Literal(pipeline),
            target=Literal(target),
        )
    )
    return [int(row[0]) for row in rows]
