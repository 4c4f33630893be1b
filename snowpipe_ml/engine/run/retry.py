"""Which errors pass by themselves, and how long to wait for that.

A step is tried again as a whole and on a Session of its own: every step leaves its outputs as if it had
run once, so that a reply that was lost after its statement took effect doubles nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from snowpipe_ml.errors import SourceFileError

T = TypeVar("T")

# Of the connector: the connection was lost, or the service was overloaded.
# https://github.com/snowflakedb/snowflake-connector-python/blob/main/src/snowflake/connector/errorcode.py
_CLIENT = frozenset({250003, 250005, 251011, 251012, 290400, 290408, 290429, 290500, 290502, 290503, 290504})
# The connection could not be made. It is also the number of a login that was refused, such as a push that was denied,
# and then another class than these.
_NOT_CONNECTED = 250001
_UNREACHED = frozenset(
    {"OperationalError", "ServiceUnavailableError", "BadGatewayError", "GatewayTimeoutError"}
)
# Of Snowflake: an internal error, a lock that was not had in time, a session or token that has expired. A statement
# that reached its time limit (630) or was cancelled (604) is not among them.
_SERVER = frozenset({603, 625, 390112, 390114})


NO_WAREHOUSE = 606  # a statement computes, and its session uses no warehouse


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with jitter.

    Args:
        retries: how often something is tried again.
        first: seconds before the first time, at most.
        most: seconds before any time, at most.
    """

    retries: int
    first: float = 1.0
    most: float = 60.0

    def delays(self, chance: random.Random) -> Iterator[float]:
        """The seconds to wait before each further try.

        Each is drawn from the upper half of what doubles from time to time, so that many who failed
        together do not come back together.
        """
        for attempt in range(self.retries):
            longest = min(self.most, self.first * 2**attempt)
            yield chance.uniform(longest / 2, longest)


def again(action: Callable[[], T], retries: int = 4, sleep: Callable[[float], None] = time.sleep) -> T:
    """Do something that may be done twice, again after each transient error.

    Raises:
        Exception: what the action raises, if it is terminal or does not pass.
    """
    delays = Backoff(retries).delays(random.Random())  # noqa: S311 - jitter
    while True:
        try:
            return action()
        except Exception as error:
            delay = next(delays, None) if is_transient(error) else None
            if delay is None:
                raise
            sleep(delay)


def is_transient(error: BaseException) -> bool:
    """Return whether an error may be gone when the same is tried again: a connection, a lock, an overloaded service.

    All else is terminal: the same statement would fail the same way, and a login that was refused must not be asked for
    again. The first error of the chain that has a number decides: the connector raises a refusal while it handles the
    time-out before it.
    """
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, SourceFileError):
            return False  # what could pass was tried again where the file was asked for
        if isinstance(found, ConnectionError | TimeoutError):
            return True
        if type(found).__name__ in _UNREACHED and number_of(found) in (None, _NOT_CONNECTED, 540001):
            return True
        number = number_of(found)
        if number is not None:
            return number in _CLIENT | _SERVER
        # Snowpark wraps the connector's errors, and some are raised `from None`.
        found = getattr(found, "conn_error", None) or found.__cause__ or found.__context__
    return False


def number_of(error: BaseException) -> int | None:
    """The connector's error number; Snowpark's own exceptions have that of what they wrap."""
    for name in ("errno", "sql_error_code"):
        number = getattr(error, name, None)
        if isinstance(number, int) and not isinstance(error, OSError):
            return number
    return None
