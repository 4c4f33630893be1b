"""Transient errors.

A step is retried as a whole and on another Session. Every step is idempotent, so nothing is duplicated if
the reply to a statement is lost after the statement took effect.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from snowpipe_ml.backoff import retrying
from snowpipe_ml.errors import LockedError, SourceFileError

T = TypeVar("T")

# Errors of the connector: the connection was lost, or the service was overloaded.
# https://github.com/snowflakedb/snowflake-connector-python/blob/main/src/snowflake/connector/errorcode.py
_CLIENT = frozenset({250003, 250005, 251011, 251012, 290400, 290408, 290429, 290500, 290502, 290503, 290504})
# The connection could not be established. A refused login, such as a denied push notification, has
# the same number, but another exception class than those below.
_NOT_CONNECTED = 250001
_UNREACHED = frozenset(
    {"OperationalError", "ServiceUnavailableError", "BadGatewayError", "GatewayTimeoutError"}
)
# Errors of Snowflake: an internal error, a lock timeout, an expired session or token. A statement
# that reached its time limit (630) or was canceled (604) is not among them.
_SERVER = frozenset({603, 625, 390112, 390114})


NO_WAREHOUSE = 606  # the statement needs a warehouse, and its session has no active one
CANCELED = 604  # the statement was canceled while it ran
ALREADY_EXISTS = 2002  # an object of this name exists
DOES_NOT_EXIST = frozenset({2003, 2043})  # the object does not exist, or the role may not see it
INVALID_IDENTIFIER = 904  # such as a column that a table does not have


def again(action: Callable[[], T], retries: int = 4, sleep: Callable[[float], None] = time.sleep) -> T:
    """Call an idempotent action, and retry it after each transient error.

    Raises:
        Exception: the error of the action, if it is not transient or no retries are left.
    """
    return retrying(retries, is_transient, sleep)(action)


def is_transient(error: BaseException) -> bool:
    """Return whether an error is transient: a lost connection, a lock timeout or an overloaded service.

    All other errors are terminal: the same statement would fail again, and a refused login must not
    be retried. The first error of the chain that has a number decides: the connector raises a
    refused login while it handles the timeout before it.
    """
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, SourceFileError):
            return False  # transient errors were already retried where the file was requested
        if isinstance(found, ConnectionError | TimeoutError):
            return True
        if type(found).__name__ in _UNREACHED and number_of(found) in (None, _NOT_CONNECTED, 540001):
            return True
        if getattr(found, "is_terminal", False) or getattr(
            getattr(found, "conn_error", None), "is_terminal", False
        ):
            return False  # a fault of the embedded warehouse, which has the number of Snowflake's internal errors
        number = number_of(found)
        if number is not None:
            return number in _CLIENT | _SERVER
        # Snowpark wraps the connector's errors, and some are raised `from None`.
        found = getattr(found, "conn_error", None) or found.__cause__ or found.__context__
    return False


def was_canceled(error: BaseException) -> bool:
    """Return whether a step failed since its statement was canceled, or since its run has lost the lock."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, LockedError) or number_of(found) == CANCELED:
            return True
        found = getattr(found, "conn_error", None) or found.__cause__ or found.__context__
    return False


def number_of(error: BaseException) -> int | None:
    """Return the connector's error number; Snowpark's exceptions have the number of the error they wrap."""
    for name in ("errno", "sql_error_code"):
        number = getattr(error, name, None)
        if isinstance(number, int) and not isinstance(error, OSError):
            return number
    return None
