"""What the SQL of a ``features`` step and the forecasters' Python share about features of the past."""

from __future__ import annotations

import math

_KNOWN_PART = 0.5


def least_known(kind: str, days: int) -> int:
    """How many of its days must be known for a mean or deviation over some days to be known.

    >>> least_known("mean", 7), least_known("stddev", 2)
    (4, 2)
    """
    return max(2 if kind == "stddev" else 1, math.ceil(days * _KNOWN_PART))
