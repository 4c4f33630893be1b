"""The names of the columns of quantiles, which need neither numpy nor pandas."""

from __future__ import annotations


def quantile_column(probability: float) -> str:
    """The column of a quantile: ``Q10`` for 0.1, ``Q2_5`` for 0.025."""
    return f"Q{100 * probability:.10g}".replace(".", "_")
