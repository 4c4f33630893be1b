"""Rules for features of the past, shared by the SQL of a ``features`` step and the forecasters' Python."""

from __future__ import annotations

import math

_KNOWN_PART = 0.5


def least_known(kind: str, days: int) -> int:
    """The number of known days that a mean or standard deviation over ``days`` days requires.

    >>> least_known("mean", 7), least_known("stddev", 2)
    (4, 2)
    """
    return max(2 if kind == "stddev" else 1, math.ceil(days * _KNOWN_PART))
