"""The Sessions of a run: one for each step that runs, and none that an error has left in doubt."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from snowpipe_ml.engine.retry import again
from snowpipe_ml.sql import Sql

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

    def __init__(self, open_session: Callable[[], Session], sleep: Callable[[float], None] = time.sleep) -> None:
        self._open = open_session
        self.sleep = sleep
        self._free: list[Session] = []
        self._all: list[Session] = []
        self._lock = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A Session that nobody else uses meanwhile."""
        with self._lock:
            found = self._free.pop() if self._free else None
        if found is None:
            found = again(self._open, sleep=self.sleep)
            with self._lock:
                self._all.append(found)
        try:
            yield found
        except Exception:
            # A transaction may be open on it, or the connection be gone: nobody uses it again.
            self._discard(found)
            raise
        with self._lock:
            self._free.append(found)

    def _discard(self, session: Session) -> None:
        with self._lock:
            self._all.remove(session)
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


def _close(session: Session) -> None:
    """Close a Session; one whose connection is lost ends by itself on the other side."""
    try:
        session.close()
    except Exception as error:
        log.warning("a session could not be closed: %s", error)


class OneSession(Sessions):
    """A caller's own Session: used for everything, one step at a time, and left open."""

    shared = True

    def __init__(self, session: Session) -> None:
        super().__init__(lambda: session)
        self._session = session

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The caller's Session."""
        yield self._session

    def cancel(self) -> None:
        """Cancel what runs on the Session."""
        self._session.cancel_all()

    def close(self) -> None:
        """Leave the Session without our query tag; the caller closes it."""
        execute(self._session, Sql("ALTER SESSION UNSET QUERY_TAG"))
