"""Tables of the pages: numbers of a column with the same decimals, and no None for a missing text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.elements.lib.column_types import ColumnConfig

_DIGITS = 4
_MOST_DECIMALS = 6


def number_column(label: str, values: pd.Series[float], help: str | None = None) -> ColumnConfig:
    """Return how a column of numbers is shown: the median of their sizes has four significant digits.

    Args:
        label: the head of the column.
        values: the numbers.
        help: the text that is shown when the mouse is over the head.
    """
    return st.column_config.NumberColumn(label, format=number_format(values), help=help)


def number_format(values: pd.Series[float]) -> str:
    """Return the printf format of a column of numbers."""
    sizes = values.dropna().astype(float).abs()
    sizes = sizes[(sizes > 0) & (sizes < math.inf)]
    if sizes.empty:
        return "%.4g"
    decimals = _DIGITS - 1 - math.floor(math.log10(sizes.median()))
    return "%.4g" if decimals > _MOST_DECIMALS else f"%.{max(0, decimals)}f"


def without_missing(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without columns that have no value, and with an empty text for a missing one."""
    found = rows.dropna(axis="columns", how="all")
    texts = [name for name in found.columns if found[name].dtype == object]
    return found.assign(**{name: found[name].where(found[name].notna(), "") for name in texts})
