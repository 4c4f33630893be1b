"""The waiting between retries: exponential backoff with jitter."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenacity import RetryCallState, Retrying


def retrying(
    retries: int,
    when: Callable[[Exception], bool],
    sleep: Callable[[float], None] = time.sleep,
    *,
    before_sleep: Callable[[RetryCallState], None] | None = None,
    first: float = 1.0,
    most: float = 60.0,
) -> Retrying:
    """Return a policy that is called with a function and its arguments, and retries that function.

    The maximum delay doubles with each retry, and each delay is drawn from the upper half of it, so that
    clients that failed together do not retry together. When no retry is left, the last error is raised as
    it is.

    Args:
        retries: the number of retries.
        when: whether an error is retried. Interrupts never are.
        sleep: waits for a number of seconds.
        before_sleep: called after each failed attempt that will be retried.
        first: the maximum delay before the first retry, in seconds.
        most: the maximum delay before any retry, in seconds.
    """
    # Late: it imports asyncio, and tornado where that is installed.
    from tenacity import Retrying, retry_if_exception, stop_after_attempt
    from tenacity.wait import wait_exponential, wait_random_exponential

    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, Exception) and when(error)),
        stop=stop_after_attempt(retries + 1),
        wait=wait_exponential(first / 2, most / 2) + wait_random_exponential(first / 2, most / 2),
        sleep=sleep,
        before_sleep=before_sleep,
        reraise=True,
    )
