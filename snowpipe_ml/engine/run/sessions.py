"""The Sessions of a run: one for each running step. A Session is discarded after an error."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from snowpipe_ml.engine.retry import again, is_transient
from snowpipe_ml.plugins import connection
from snowpipe_ml.sql import Identifier, Literal, Sql, sql

if TYPE_CHECKING:
    from snowflake.snowpark import Session

log = logging.getLogger("snowpipe_ml.engine")


def execute(session: Session, statement: Sql) -> None:
    """Run one statement on a Session."""
    session.sql(statement.text).collect()


class Sessions:
    """A pool that lends each thread of a run its own Session, and closes all Sessions at the end.

    Args:
        open_session: opens another Session on the target.
        sleep: waits before opening a Session is retried.

    Attributes:
        shared: whether all threads share one Session.
    """

    shared = False

    def __init__(
        self, open_session: Callable[[], Session], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._open = open_session
        self.sleep = sleep
        self._free: list[Session] = []
        self._all: list[Session] = []
        # The warehouse of each Session when it was opened.
        self._warehouses: dict[int, Identifier | None] = {}
        self._refused: Exception | None = None
        self._lock = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Lend a Session for exclusive use, with the warehouse that it was opened with."""
        with self._lock:
            found = self._free.pop() if self._free else None
        if found is None:
            found = self._opened()
        try:
            yield found
        except Exception:
            # It may have an open transaction or a lost connection: do not use it again.
            self._discard(found)
            raise
        try:
            usable = self._put_back(found)
        except Exception as error:
            # The work on it succeeded; only the Session cannot be used again.
            log.warning(
                "the warehouse of a session could not be restored, and the session is closed: %s", error
            )
            usable = False
        if usable:
            with self._lock:
                self._free.append(found)
        else:
            self._discard(found)

    def _opened(self) -> Session:
        """Open another Session. A refused login is not retried: it could send another push notification."""
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
        """Restore the first warehouse of the Session; return whether that is possible."""
        first, now = self._warehouses[id(session)], _warehouse(session)
        if now == first:
            return True
        if first is None:
            return False  # no statement unsets the warehouse of a Session
        again(lambda: execute(session, sql("USE WAREHOUSE {name}", name=first)), sleep=self.sleep)
        return True

    def unset(self, parameter: str) -> Sql:
        """Return the statement that resets a session parameter to its value before the run."""
        return Sql(f"ALTER SESSION UNSET {parameter}")

    def _discard(self, session: Session) -> None:
        with self._lock:
            self._all.remove(session)
            del self._warehouses[id(session)]
        _close(session)

    def numbers(self) -> list[int]:
        """Return the session ids of the Sessions on the target."""
        with self._lock:
            return [int(session.session_id) for session in self._all]

    def cancel(self) -> None:
        """Cancel the running statements of a shared Session; other Sessions are canceled by their ids."""

    def close(self) -> None:
        """Close all Sessions."""
        for session in self._all:
            _close(session)


def _warehouse(session: Session) -> Identifier | None:
    """The current warehouse of a Session, from its connection, without a statement."""
    name = session.connection.warehouse
    return Identifier.parse(name if name.startswith('"') else f'"{name}"') if name else None


def _close(session: Session) -> None:
    """Close a Session; if its connection is lost, the target ends the session by itself."""
    try:
        session.close()
    except Exception as error:
        log.warning("a session could not be closed: %s", error)


class OneSession(Sessions):
    """A caller's own Session: it is used for everything, one step at a time, and left open and unchanged."""

    shared = True

    def __init__(self, session: Session) -> None:
        super().__init__(lambda: session)
        self._session = session
        self._warehouses[id(session)] = _warehouse(session)
        self._parameters = {
            row["key"]: row["value"]
            for row in connection.execute(session.connection, Sql("SHOW PARAMETERS IN SESSION"))
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
        """Return the statement that resets a session parameter to the caller's value."""
        if parameter not in self._parameters:
            return super().unset(parameter)
        text = self._parameters[parameter]
        value = Literal(int(str(text)) if parameter.endswith("_IN_SECONDS") else text)
        return sql("ALTER SESSION SET {name} = {value}", name=Sql(parameter), value=value)

    def cancel(self) -> None:
        """Cancel the running statements of the Session."""
        self._session.cancel_all()

    def close(self) -> None:
        """Restore the caller's query tag; the caller closes the Session."""
        execute(self._session, self.unset("QUERY_TAG"))
