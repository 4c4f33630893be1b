"""Observes the statements on connections, and keeps the metadata of their answers."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from snowpipe_ml.answers.format import Column, Failure, Statement, StepEnd
from snowpipe_ml.answers.masking import Masking
from snowpipe_ml.engine.events import Event, Status, StepFinished, StepStarted
from snowpipe_ml.plugins import Kind
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.sql import QualifiedName, sql
from snowpipe_ml.text.redaction import redact

# Statements whose results the connector makes by itself.
_BY_CLIENT = re.compile(r"\s*(?:PUT|GET)\b", re.IGNORECASE)


@dataclass
class _Seen:
    """A statement and its answer as they were seen. Nothing of it leaves the process before it is masked."""

    step: str | None
    text: str
    described: bool
    columns: Sequence[Any] = ()
    rows: int | None = None
    status: str | None = None
    error: BaseException | None = None


@dataclass
class Observer:
    """Keeps what connections answer, and follows the steps of a run as one of its listeners.

    Attributes:
        ended: the steps that ended and how.
        outputs: the tables and views that they wrote, each with its step.
    """

    ended: list[tuple[str, Status]] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    _step: str | None = None
    _seen: list[_Seen] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Event) -> None:
        """Follow the run."""
        if isinstance(event, StepStarted):
            self._step = event.step
        elif isinstance(event, StepFinished):
            self.ended.append((event.step, event.status))
            tables = (name for kind, name, _, _ in event.outputs if kind == Kind.TABLE)
            self.outputs.update((name, event.step) for name in tables)

    def describe_outputs(self, connection: Connection) -> None:
        """Ask for the columns of all outputs: a statement that creates a table does not answer with them."""
        from snowflake.connector.errors import Error

        cursor: Any = connection.cursor()
        for name, step in self.outputs.items():
            self._step = step
            with suppress(Error):  # the error is observed, and is part of the record
                cursor.describe(sql("SELECT * FROM {name}", name=QualifiedName.parse(name)).text)

    def observe(self, connection: Any) -> None:
        """Observe all cursors that a connection of the connector, or of the embedded warehouse, makes from now on."""
        make = connection.cursor

        @functools.wraps(make)
        def cursor(*arguments: Any, **named: Any) -> Any:
            made = make(*arguments, **named)
            self._watch(made)
            return made

        connection.cursor = cursor

    def _watch(self, cursor: Any) -> None:
        state = _Watched()
        for method in ("execute", "executemany", "execute_async"):
            setattr(cursor, method, self._executing(cursor, getattr(cursor, method), state))
        for method in ("describe", "_describe_internal"):
            setattr(cursor, method, self._describing(getattr(cursor, method), state))
        cursor.fetchall = _fetching(cursor.fetchall, state)

    def _executing(self, cursor: Any, method: Callable[..., Any], state: _Watched) -> Callable[..., Any]:
        @functools.wraps(method)
        def execute(command: str, *arguments: Any, **named: Any) -> Any:
            if state.inside:  # executemany calls execute
                return method(command, *arguments, **named)
            state.inside = True
            seen = self._add(command)
            state.last = None
            try:
                result = method(command, *arguments, **named)
            except Exception as error:
                seen.error = error
                raise
            finally:
                state.inside = False
            if result is cursor:
                seen.columns, seen.rows = cursor.description or (), cursor.rowcount
                state.last = seen
            return result

        return execute

    def _describing(self, method: Callable[..., Any], state: _Watched) -> Callable[..., Any]:
        @functools.wraps(method)
        def describe(command: str, *arguments: Any, **named: Any) -> Any:
            if state.inside:
                return method(command, *arguments, **named)
            state.inside = True
            seen = self._add(command, described=True)
            try:
                seen.columns = method(command, *arguments, **named) or ()
            except Exception as error:
                seen.error = error
                raise
            finally:
                state.inside = False
            return seen.columns

        return describe

    def _add(self, text: str, *, described: bool = False) -> _Seen:
        seen = _Seen(self._step, text, described)
        with self._lock:
            self._seen.append(seen)
        return seen

    def statements(self, masking: Masking) -> list[Statement]:
        """Return the statements so far with their answers, without values."""
        with self._lock:
            return [_masked(seen, masking) for seen in self._seen]

    def steps(self, masking: Masking) -> list[StepEnd]:
        """Return how the steps ended."""
        return [StepEnd(step=masking.name(step), status=status.value) for step, status in self.ended]


@dataclass
class _Watched:
    """The state of a cursor: whether one of its methods is running, and the statement whose result it has."""

    inside: bool = False
    last: _Seen | None = None


def _fetching(method: Callable[..., Any], state: _Watched) -> Callable[..., Any]:
    """Keep the status in a result that has nothing else."""

    @functools.wraps(method)
    def fetchall(*arguments: Any, **named: Any) -> Any:
        rows = method(*arguments, **named)
        seen = state.last
        if seen is not None and len(rows) == 1 and [column.name for column in seen.columns] == ["status"]:
            row = rows[0]
            seen.status = str(next(iter(row.values())) if isinstance(row, dict) else row[0])
        return rows

    return fetchall


def _masked(seen: _Seen, masking: Masking) -> Statement:
    return Statement(
        step=None if seen.step is None else masking.name(seen.step),
        statement=redact(masking.statement(seen.text)),
        described=seen.described,
        columns=() if _BY_CLIENT.match(seen.text) else tuple(_column(c, masking) for c in seen.columns),
        rows=seen.rows,
        status=None if seen.status is None else redact(masking.message(seen.status, seen.text)),
        error=None if seen.error is None else _failure(seen.error, seen.text, masking),
    )


def _column(column: Any, masking: Masking) -> Column:
    from snowflake.connector.constants import FIELD_ID_TO_NAME

    kind = FIELD_ID_TO_NAME.get(column.type_code, str(column.type_code))
    sized = kind in ("TEXT", "BINARY")
    return Column(
        name=redact(masking.column(column.name)),
        type=kind,
        length=column.internal_size if sized else None,
        precision=column.precision if kind == "FIXED" else None,
        scale=column.scale if kind == "FIXED" or kind.startswith("TIME") else None,
        nullable=column.is_nullable,
    )


def _failure(error: BaseException, statement: str, masking: Masking) -> Failure:
    """The error of a statement; of one that is not the connector's, such as of a lost connection, only its class."""
    number = getattr(error, "errno", None)
    if not hasattr(error, "sqlstate"):
        return Failure(number=number, message=type(error).__name__)
    text = str(getattr(error, "raw_msg", None) or getattr(error, "msg", "") or "")
    return Failure(
        number=None if number in (None, -1) else number,
        sqlstate=error.sqlstate or None,
        message=redact(masking.message(text, statement)),
    )
