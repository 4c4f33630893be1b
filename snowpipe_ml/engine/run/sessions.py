"""The Sessions of a run: one for each step that runs, and none that an error has left in doubt."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from snowpipe_ml.engine.run.retry import again, is_transient
from snowpipe_ml.sql import Identifier, Literal, Sql, sql

if TYPE_CHECKING:
    from snowflake.snowpark import Session

log = logging.getLogger("snowpipe_ml.engine")


def execute(session: Session, statement: Sql) -> None:
    """Run one statement on a Session."""
    session.sql(statement.text).collect()


def execute_rows(session: Session, statement: Sql) -> list[dict[str, Any]]:
    """Run one statement on a Session and give its rows."""
    return [row.as_dict() for row in session.sql(statement.text).collect()]


class Sessions:
    """Gives each thread of a run a Session of its own, and closes them all at the end.

    Args:
        open_session: opens one more Session on the target.
        sleep: waits before one that could not be opened is tried again.

    Attributes:
        shared: whether all of it is one and the same Session.
    """

    shared = False

    def __init__(
        self, open_session: Callable[[], Session], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._open = open_session
        self.sleep = sleep
        self._free: list[Session] = []
        self._all: list[Session] = []
        # The warehouse that each had when it was opened.
        self._warehouses: dict[int, Identifier | None] = {}
        self._refused: Exception | None = None
        self._lock = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A Session that nobody else uses meanwhile, on the warehouse that it was opened with."""
        with self._lock:
            found = self._free.pop() if self._free else None
        if found is None:
            found = self._opened()
        try:
            yield found
        except Exception:
            # A transaction may be open on it, or the connection be gone: nobody uses it again.
            self._discard(found)
            raise
        try:
            usable = self._put_back(found)
        except Exception as error:
            # What was done on it is done; only the Session is of no use any more.
            log.warning("a session could not be put back on its warehouse, and is closed: %s", error)
            usable = False
        if usable:
            with self._lock:
                self._free.append(found)
        else:
            self._discard(found)

    def _opened(self) -> Session:
        """One more Session. A login that was refused is not asked for again: it could send another push."""
        with self._lock:
            if self._refused is not None:
                raise self._refused
        try:
            found = again(self._open, sleep=self.sleep)
        except Exception as error:
            with self._lock:
                self._refused = None if is_transient(error) else error
            raise
        with self._lock:
            self._all.append(found)
            self._warehouses[id(found)] = _warehouse(found)
        return found

    def _put_back(self, session: Session) -> bool:
        """Use the warehouse again that the Session had at first; whether that can be done."""
        first, now = self._warehouses[id(session)], _warehouse(session)
        if now == first:
            return True
        if first is None:
            return False  # no statement leaves a Session without a warehouse
        again(lambda: execute(session, sql("USE WAREHOUSE {name}", name=first)), sleep=self.sleep)
        return True

    def unset(self, parameter: str) -> Sql:
        """The statement after which a session parameter is as it was before the run."""
        return Sql(f"ALTER SESSION UNSET {parameter}")

    def _discard(self, session: Session) -> None:
        with self._lock:
            self._all.remove(session)
            del self._warehouses[id(session)]
        _close(session)

    def numbers(self) -> list[int]:
        """The Sessions' numbers on the target."""
        with self._lock:
            return [int(session.session_id) for session in self._all]

    def cancel(self) -> None:
        """Cancel what runs on the Session, if it is one and the same; others are canceled by their numbers."""

    def close(self) -> None:
        """Close all Sessions."""
        for session in self._all:
            _close(session)


def _warehouse(session: Session) -> Identifier | None:
    """The warehouse that a Session uses, as its connection knows it without a statement."""
    name = session.connection.warehouse
    return Identifier.parse(name if name.startswith('"') else f'"{name}"') if name else None


def _close(session: Session) -> None:
    """Close a Session; one whose connection is lost ends by itself on the other side."""
    try:
        session.close()
    except Exception as error:
        log.warning("a session could not be closed: %s", error)


class OneSession(Sessions):
    """A caller's own Session: used for everything, one step at a time, and left open as it was."""

    shared = True

    def __init__(self, session: Session) -> None:
        super().__init__(lambda: session)
        self._session = session
        self._warehouses[id(session)] = _warehouse(session)
        self._parameters = {
            row["key"]: row["value"]
            for row in execute_rows(session, Sql("SHOW PARAMETERS IN SESSION"))
            if row["level"] == "SESSION"
        }

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The caller's Session."""
        try:
            yield self._session
        finally:
            self._put_back(self._session)

    def unset(self, parameter: str) -> Sql:
        """The statement after which a session parameter is as the caller had it."""
        if parameter not in self._parameters:
            return super().unset(parameter)
        text = self._parameters[parameter]
        value = Literal(int(text) if parameter.endswith("_IN_SECONDS") else text)
        return sql("ALTER SESSION SET {name} = {value}", name=Sql(parameter), value=value)

    def cancel(self) -> None:
        """Cancel what runs on the Session."""
        self._session.cancel_all()

    def close(self) -> None:
        """Leave the Session with the caller's query tag; the caller closes it."""
        execute(self._session, self.unset("QUERY_TAG"))
