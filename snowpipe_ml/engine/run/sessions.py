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
        self._logging_in = threading.Lock()

    @contextmanager
    def session(self, warehouse: Identifier | None = None) -> Iterator[Session]:
        """Lend a Session for exclusive use.

        Args:
            warehouse: its current warehouse; without a name, that with which Sessions are opened.
        """
        found = self._reused(warehouse)
        if found is None:
            found = self._opened()
        try:
            self._use(found, warehouse)
            yield found
        except Exception:
            # It may have an open transaction or a lost connection: do not use it again.
            self._discard(found)
            raise
        with self._lock:
            self._free.append(found)

    def _reused(self, warehouse: Identifier | None) -> Session | None:
        """Take a free Session, and make the warehouse its current one."""
        found = self._found(warehouse)
        if found is None:
            return None
        try:
            self._use(found, warehouse)
        except Exception as error:  # the role may have lost the warehouse of the connection
            log.warning(
                "the warehouse of a session could not be changed, and the session is closed: %s", error
            )
            self._discard(found)
            return None
        return found

    def _found(self, warehouse: Identifier | None) -> Session | None:
        """Take a free Session: one with the warehouse if there is one, and else one that can change to it."""
        with self._lock:
            found = None
            for session in self._free:
                wanted = warehouse or self._warehouses[id(session)]
                if _warehouse(session) == wanted:
                    found = session
                    break
                if wanted is not None:  # no statement unsets the warehouse of a Session
                    found = session
            if found is not None:
                self._free.remove(found)
            return found

    def _opened(self) -> Session:
        """Open another Session.

        The logins are one after the other, so that the first one that is refused is the last one, and that each can
        use the token that the one before has cached. A refused login is not retried: it could send another push
        notification.
        """
        with self._logging_in:
            if self._refused is not None:
                raise self._refused
            try:
                found = again(self._open, sleep=self.sleep)
            except Exception as error:
                self._refused = None if is_transient(error) else error
                raise
        with self._lock:
            self._all.append(found)
            self._warehouses[id(found)] = _warehouse(found)
        return found

    def _use(self, session: Session, warehouse: Identifier | None) -> None:
        wanted = warehouse or self._warehouses[id(session)]
        if wanted is not None and wanted != _warehouse(session):
            again(lambda: execute(session, sql("USE WAREHOUSE {name}", name=wanted)), sleep=self.sleep)

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
        """Close all Sessions, in which nothing runs any more."""
        for session in self._all:
            _close(session, idle=True)


def _warehouse(session: Session) -> Identifier | None:
    """The current warehouse of a Session, from its connection, without a statement."""
    name = session.connection.warehouse
    return Identifier.parse(name if name.startswith('"') else f'"{name}"') if name else None


def _close(session: Session, *, idle: bool = False) -> None:
    """Close a Session; if its connection is lost, the target ends the session by itself.

    Args:
        session: the Session.
        idle: whether nothing runs in it. Otherwise Snowpark cancels what runs, by a statement on the connection.
    """
    try:
        if idle:
            session.connection.close()
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
    def session(self, warehouse: Identifier | None = None) -> Iterator[Session]:
        """The caller's Session."""
        self._use(self._session, warehouse)
        yield self._session

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
        """Restore the caller's warehouse and query tag; the caller closes the Session."""
        self._use(self._session, None)
        execute(self._session, self.unset("QUERY_TAG"))
