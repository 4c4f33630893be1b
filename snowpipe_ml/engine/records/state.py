"""The state store: run metadata in the schema ``SNOWPIPE_ML`` of the target, written through a connection.

It has one table, ``EVENTS``, to which runs only append, and two views on it: ``RUNS`` and ``STEP_RUNS``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Unpack

from snowpipe_ml.engine.events import RunFinished, RunStarted, Status, StepFinished
from snowpipe_ml.engine.plan.decisions import Success
from snowpipe_ml.engine.records import lock, migrations
from snowpipe_ml.engine.records.glance import Glance, glance
from snowpipe_ml.engine.records.intervals import FINISHED, STARTED, Coverage, coverage_of, details_of
from snowpipe_ml.engine.records.leftovers import Leftovers, QueryTag, recorded_sessions
from snowpipe_ml.engine.records.past import PastRun, past_run_of
from snowpipe_ml.engine.records.portions import portions
from snowpipe_ml.engine.records.rows import COLUMNS, Values, row_of, values_of
from snowpipe_ml.engine.retry import ALREADY_EXISTS, again, number_of
from snowpipe_ml.plugins.connection import Connection, Row, current_schema, current_warehouse, execute, insert
from snowpipe_ml.plugins.intervals import Interval
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, like_pattern, sql

Record = dict[str, Any]
"""A row of the state store, by the name of the column."""


@dataclass(frozen=True)
class State:
    """Writes and reads the run metadata on one target.

    The results of steps are buffered until :meth:`flush`, so that many short steps cost one statement.

    Args:
        connection: a separate connection: records must not wait for a step's work or be rolled back with it.
        schema: the schema of the state store, with its database.
        sleep: waits before a statement is retried.
        tag: the query tag of the statements; None for none.
    """

    connection: Connection
    schema: QualifiedName
    sleep: Callable[[float], None] = time.sleep
    tag: str | None = None
    _pending: list[dict[str, object]] = field(default_factory=list, init=False, repr=False)
    _found: list[bool] = field(default_factory=list, init=False, repr=False)  # whether the tables exist

    def _name(self, name: str) -> QualifiedName:
        return QualifiedName((*self.schema.parts, Identifier(name)))

    def prepare(self) -> bool:
        """Create the schema, its tables and its views; return whether there were none."""
        events = self._name("EVENTS")
        # CREATE SCHEMA makes the new schema the current one; afterwards the session's own schema is restored.
        current = current_schema(self.connection)
        # IF NOT EXISTS needs the privilege to create even if the schema exists.
        empty = False
        if not self._is_there():
            try:
                self._run(sql("CREATE SCHEMA {schema}", schema=self.schema))
                empty = True
            except Exception as error:
                if number_of(error) != ALREADY_EXISTS:  # another run may have created it meanwhile
                    raise
        if len(current) == 2:
            self._run(sql("USE SCHEMA {schema}", schema=QualifiedName(tuple(current))))
        new = migrations.migrate(
            self._run,
            self._name("MIGRATIONS"),
            {
                "events": events,
                "locks": self._name("LOCKS"),
                "runs": self._name("RUNS"),
                "step_runs": self._name("STEP_RUNS"),
            },
            empty=empty,
        )
        self._found[:] = [True]
        return new

    def glance(self, pipeline: str, target: str) -> Glance | None:
        """Return what a run must know of the records before it decides; None if they must be created first."""
        names = {name.lower(): self._name(name) for name in ("MIGRATIONS", "LOCKS", "EVENTS")}
        return glance(self._run, names, pipeline, target)

    def lock(
        self, pipeline: str, target: str, run_id: str, *, lasts: int = lock.LASTS, run_key: str | None = None
    ) -> lock.RunLock:
        """Return the lock of a pipeline on a target, not yet acquired."""
        return lock.RunLock(
            self.connection,
            self._name("LOCKS"),
            pipeline,
            target,
            run_id,
            lasts,
            self.sleep,
            run_key,
            lambda: self.end_leftovers(pipeline, target),
            self.tag,
        )

    def use(self, warehouse: Identifier) -> None:
        """Write the next records on a warehouse, which is awake anyway."""
        if current_warehouse(self.connection) != warehouse:
            self._run(sql("USE WAREHOUSE {name}", name=warehouse))

    def ask(self, statement: Sql) -> list[Row]:
        """Run one statement that only reads, with retries."""
        return self._run(statement)

    def end_leftovers(self, pipeline: str, target: str) -> None:
        """End what killed processes of a pipeline have left running on the target.

        Raises:
            LockedError: a statement was canceled, and does not end.
        """
        tag, own = QueryTag(pipeline, target, self.schema), int(self.connection.session_id)
        leftovers = Leftovers(self._run, self.schema.parts[0], tag, own, self.sleep)
        leftovers.end(recorded_sessions(self._run, self._name("EVENTS"), pipeline, target))

    def started(self, event: RunStarted, details: Mapping[str, object]) -> None:
        """Record, with the next flush, that a run starts or is resumed."""
        name = "run_resumed" if event.resumed else "run_started"
        self._add(event, name, details={**details, "started_at": event.at.isoformat()})

    def session_opened(self, run: RunStarted, session: int) -> None:
        """Record, with the next flush, that a run works on a session, so that others can end what it leaves."""
        self._add(run, "session_opened", details={"session": session})

    def step_started(self, run: RunStarted, step: str, session: int) -> None:
        """Record, with the next flush, that a step starts on a session, so that others can cancel it."""
        self._add(run, "step_started", step=step, details={"session": session})

    def backfill_started(self, run: RunStarted, step: str, details: Mapping[str, object]) -> None:
        """Record, with the next flush, the range that a run is about to compute of a step."""
        self._add(run, STARTED, step=step, details=details)

    def interval_finished(
        self, connection: Connection, run: RunStarted, step: str, interval: Interval, code: str
    ) -> None:
        """Record at once, on the connection of a step, that it has computed an interval."""
        row = values_of(row_of(run, FINISHED, step=step, details=details_of(interval, code)))
        again(
            partial(insert, connection, self._name("EVENTS"), COLUMNS, [row], self.tag),
            sleep=self.sleep,
        )

    def coverage(self, pipeline: str, target: str) -> dict[str, Coverage]:
        """Return the intervals that backfills have computed, by step."""
        if not self.has_records():
            return {}
        return coverage_of(
            self._run(
                sql(
                    "SELECT STEP, EVENT, DETAILS FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target} "
                    "AND EVENT IN ({started}, {finished}) ORDER BY AT",
                    events=self._name("EVENTS"),
                    pipeline=Literal(pipeline),
                    target=Literal(target),
                    started=Literal(STARTED),
                    finished=Literal(FINISHED),
                )
            )
        )

    def step_finished(self, run: RunStarted, event: StepFinished, work: Mapping[str, object]) -> None:
        """Record, with the next flush, how a step ended; later runs compare their steps with ``work``."""
        self._add(
            run,
            "step_finished",
            step=event.step,
            status=event.status,
            rows=event.rows,
            seconds=event.seconds,
            message=event.message,
            error=None if event.error is None else f"{type(event.error).__name__}: {event.error}",
            details={
                "warnings": event.warnings,
                "blamed": event.blamed,
                "metrics": dict(event.metrics),
                **work,
            },
        )

    def reused(self, run: RunStarted, steps: Mapping[str, tuple[str, Success]]) -> None:
        """Record, with the next flush, the skipped steps: the message and the last success of each."""
        for name, (message, known) in steps.items():
            self._add(
                run,
                "step_finished",
                step=name,
                status=Status.REUSED,
                rows=known.rows,
                message=message,
                details={"metrics": known.details.get("metrics") or {}},
            )

    def finished(self, run: RunStarted, event: RunFinished) -> None:
        """Record how a run ended."""
        self._add(run, "run_finished", status=event.status, seconds=event.seconds)
        self.flush()

    @property
    def pending(self) -> bool:
        """Return whether records are waiting for a flush."""
        return bool(self._pending)

    def flush(self) -> None:
        """Write the records since the last flush, in as few statements as possible."""
        written = 0
        for records in portions(self._pending):
            rows = [values_of(record) for record in records]
            again(
                partial(insert, self.connection, self._name("EVENTS"), COLUMNS, rows, self.tag),
                sleep=self.sleep,
            )
            written += len(records)
        del self._pending[:written]

    def cancel(self, session: int) -> None:
        """Cancel the running statements of another Session of the same user."""
        self._run(sql("SELECT SYSTEM$CANCEL_ALL_QUERIES({id})", id=Literal(session)))

    def _add(self, run: RunStarted, event: str, **values: Unpack[Values]) -> None:
        self._pending.append(row_of(run, event, **values))

    def _is_there(self) -> bool:
        shown = self._run(
            sql(
                "SHOW SCHEMAS LIKE {name} IN DATABASE {database}",
                name=like_pattern(self.schema.name),
                database=self.schema.parts[0],
            )
        )
        return any(row["name"] == self.schema.name.name for row in shown)

    def has_records(self) -> bool:
        """Return whether the state store exists."""
        if not self._found:
            self._found.extend([True] * self._finds_records())
        return bool(self._found)

    def _finds_records(self) -> bool:
        if not self._is_there():
            return False
        shown = self._run(
            sql(
                "SHOW TABLES LIKE {name} IN SCHEMA {schema}",
                name=like_pattern(Identifier("EVENTS")),
                schema=self.schema,
            )
        )
        return any(row["name"] == "EVENTS" for row in shown)

    def _run(self, statement: Sql) -> list[Row]:
        # A statement may run twice: an event that is recorded twice counts once.
        return again(lambda: execute(self.connection, statement, self.tag), sleep=self.sleep)

    def last_run(self, pipeline: str) -> list[Record]:
        """Return the step records of a pipeline's last run; empty if it never ran on this target."""
        if not self.has_records():
            return []
        rows = self._run(
            sql(
                "SELECT * FROM {steps} WHERE RUN_ID = (SELECT MAX(RUN_ID) FROM {runs} WHERE PIPELINE = {pipeline}) "
                "ORDER BY FINISHED_AT",
                steps=self._name("STEP_RUNS"),
                runs=self._name("RUNS"),
                pipeline=Literal(pipeline),
            )
        )
        return [row.as_dict() for row in rows]

    def past_run(self, pipeline: str, target: str, run_id: str | None = None) -> PastRun | None:
        """Return a run of a pipeline on a target, the last one if no id is given; None if there is none."""
        if not self.has_records():
            return None
        rows = self._run(
            sql(
                "SELECT * FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target} AND EVENT LIKE 'run%' AND RUN_ID = "
                "(SELECT MAX(RUN_ID) FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target} {which}) ORDER BY AT",
                events=self._name("EVENTS"),
                pipeline=Literal(pipeline),
                target=Literal(target),
                which=sql("AND RUN_ID = {id}", id=Literal(run_id)) if run_id is not None else Sql(""),
            )
        )
        if not rows:
            return None
        return past_run_of(rows)

    def run_with_key(self, pipeline: str, target: str, run_key: str) -> str | None:
        """Return the id of the run that was begun with a key; None if there is none."""
        if not self.has_records():
            return None
        ((found,),) = self._run(
            sql(
                "SELECT MAX(RUN_ID) FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target} "
                "AND EVENT = 'run_started' AND PARSE_JSON(DETAILS):run_key::VARCHAR = {key}",
                events=self._name("EVENTS"),
                pipeline=Literal(pipeline),
                target=Literal(target),
                key=Literal(run_key),
            )
        )
        return None if found is None else str(found)

    def step_events(self, run_id: str, names: Collection[str] | None = None) -> list[Record]:
        """Return the records of a run's steps, or of some of them, in order, with their details parsed."""
        rows = self._run(
            sql(
                "SELECT * FROM {events} WHERE RUN_ID = {id} AND EVENT LIKE 'step%'{which} ORDER BY AT",
                events=self._name("EVENTS"),
                id=Literal(run_id),
                which=_of_steps(names),
            )
        )
        return [{**row.as_dict(), "DETAILS": json.loads(row["DETAILS"] or "{}")} for row in rows]

    def events(
        self, pipeline: str, target: str, *, run_id: str | None = None, limit: int | None = None
    ) -> list[Record]:
        """Return the records of one run or of the last runs, in order; empty if there is none."""
        if not self.has_records():
            return []
        which = Sql("")
        if run_id is not None:
            which = sql("AND RUN_ID = {id}", id=Literal(run_id))
        elif limit is not None:
            which = sql(
                "AND RUN_ID IN (SELECT RUN_ID FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target} "
                "GROUP BY RUN_ID ORDER BY RUN_ID DESC LIMIT {limit})",
                events=self._name("EVENTS"),
                pipeline=Literal(pipeline),
                target=Literal(target),
                limit=Literal(limit),
            )
        rows = self._run(
            sql(
                "SELECT * FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target} {which} ORDER BY AT",
                events=self._name("EVENTS"),
                pipeline=Literal(pipeline),
                target=Literal(target),
                which=which,
            )
        )
        return [row.as_dict() for row in rows]

    def written(self, pipeline: str, target: str) -> set[str]:
        """Return the names of the tables that past runs were going to write, including killed runs."""
        if not self.has_records():
            return set()
        rows = self._run(
            sql(
                "SELECT DISTINCT PARSE_JSON(DETAILS):writes::VARCHAR FROM {events} WHERE PIPELINE = {pipeline} "
                "AND TARGET = {target} AND EVENT IN ('run_started', 'run_resumed')",
                events=self._name("EVENTS"),
                pipeline=Literal(pipeline),
                target=Literal(target),
            )
        )
        return {name for (text,) in rows if text for name in json.loads(text)}

    def successes(
        self, pipeline: str, target: str, names: Collection[str] | None = None
    ) -> dict[str, Success]:
        """Return the last success of each step, or of each of some steps, in any run."""
        if not self.has_records():
            return {}
        rows = self._run(
            sql(
                "SELECT STEP, RUN_ID, DETAILS, ROW_COUNT, AT FROM {events} WHERE PIPELINE = {pipeline} "
                "AND TARGET = {target} AND EVENT = 'step_finished' AND STATUS = 'success'{which} "
                "QUALIFY ROW_NUMBER() OVER (PARTITION BY STEP ORDER BY AT DESC) = 1",
                events=self._name("EVENTS"),
                pipeline=Literal(pipeline),
                target=Literal(target),
                which=_of_steps(names),
            )
        )
        return {
            str(row["STEP"]): Success.read(
                str(row["RUN_ID"]), json.loads(row["DETAILS"]), row["ROW_COUNT"], row["AT"]
            )
            for row in rows
        }


def _of_steps(names: Collection[str] | None) -> Sql:
    """The condition on the step of a record."""
    if names is None:
        return Sql("")
    return sql(" AND STEP IN ({names})", names=join(", ", [Literal(name) for name in names] or [Sql("NULL")]))
