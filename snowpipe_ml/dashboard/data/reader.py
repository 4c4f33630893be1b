"""Reads from a target for as long as the dashboard is open, also while a run uses or restarts it.

An embedded warehouse is open in one process, which serves the others: see docs/decisions/0009. The dashboard must
neither keep a run waiting at its end nor be what a run depends on, so it opens the warehouse for a few queries and
closes it when none has followed for a moment. If the process that had it open has ended meanwhile, the query is run
again on a new connection: it only reads.
"""

from __future__ import annotations

import atexit
import re
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from snowpipe_ml.engine.retry import is_transient, number_of
from snowpipe_ml.plugins.connection import Connection, Row, execute
from snowpipe_ml.sql import Sql

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

_READS = re.compile(r"\s*\(*\s*(SELECT|WITH|SHOW|DESCRIBE|LIST)\b", re.IGNORECASE)
# The session or its connection has ended: that of a holder of an embedded warehouse, or a login on an account.
_LOST = frozenset({250002, 390111, 390112, 390114, 8003})
_IDLE = 1.5
_ATTEMPTS = 6


class Reader:
    """Runs queries on a target, from any thread.

    Args:
        connect: opens a connection.
        idle: close the connection after so many seconds without a query; never if None, as on an account, where
            each connection is a login.
        sleep: waits before a query is run again.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        idle: float | None = _IDLE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect = connect
        self._idle = idle
        self._sleep = sleep
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._timer: threading.Timer | None = None
        self._registered = False

    def rows(self, statement: Sql) -> list[Row]:
        """Run a statement that only reads and return its rows.

        Raises:
            ValueError: the statement is not a query.
            snowflake.connector.errors.Error: the statement failed.
            TargetError: the target cannot be reached.
        """
        _check(statement)
        return self.call(lambda connection: execute(connection, statement))

    def frame(self, statement: Sql) -> pd.DataFrame:
        """Run a query and return its rows as a DataFrame, numbers as floats or integers."""
        import pandas as pd

        _check(statement)

        def read(connection: Connection) -> pd.DataFrame:
            cursor = connection.cursor()
            cursor.execute(statement.text)
            names = [column.name for column in cursor.description or ()]
            return pd.DataFrame(_plain(cursor.fetchall()), columns=names)

        return self.call(read)

    def call(self, read: Callable[[Connection], T]) -> T:
        """Call a function that only reads with an open connection, again if the connection was lost."""
        for attempt in range(1, _ATTEMPTS + 1):
            with self._lock:
                self._stop_timer()
                try:
                    if self._connection is None:
                        self._connection = self._connect()
                        self._close_at_exit()
                    return read(self._connection)
                except Exception as error:
                    if not _passes(error) or attempt == _ATTEMPTS:
                        raise
                    self._drop()
                finally:
                    self._start_timer()
            self._sleep(0.1 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close the connection, and wait for processes that work through it; the next query opens another."""
        with self._lock:
            self._stop_timer()
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _close_at_exit(self) -> None:
        # After the connection is opened: the embedded warehouse, once imported, closes all its files at exit, and
        # what was registered last is called first.
        if not self._registered:
            self._registered = True
            atexit.register(self.close)

    def _start_timer(self) -> None:
        if self._idle is not None and self._connection is not None:
            self._timer = threading.Timer(self._idle, self._close_if_idle)
            self._timer.daemon = True  # the end of the process need not wait for it
            self._timer.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_if_idle(self) -> None:
        with self._lock:
            if self._timer is not threading.current_thread():
                return  # a query came in between
            self._timer = None
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Closing waits for other processes that use the warehouse through this one. New queries join them
            # meanwhile. It is not a daemon: the end of this process must wait too.
            threading.Thread(target=connection.close, name="dashboard-close", daemon=False).start()


def _check(statement: Sql) -> None:
    if not _READS.match(statement.text):
        raise ValueError(f"the dashboard only reads, but was given {statement.text[:40]!r}")


def _passes(error: BaseException) -> bool:
    return number_of(error) in _LOST or is_transient(error)


def _plain(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    return [[_number(value) if isinstance(value, Decimal) else value for value in row] for row in rows]


def _number(value: Decimal) -> float | int:
    return int(value) if value == value.to_integral_value() else float(value)
