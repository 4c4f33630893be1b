"""Conversion of tables and function arguments to the DataFrames that models take.

Training and prediction must use the same types; otherwise a model gets other values than it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FLOATS = ("FLOAT", "DOUBLE", "REAL", "DECIMAL", "NUMERIC")
_WHOLE = ("NUMBER", "INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "BYTEINT")


def dtype_of(kind: str) -> str:
    """The pandas dtype of a Snowflake type: float64 for numbers with decimals, int64 for whole ones.

    >>> dtype_of("NUMBER"), dtype_of("NUMBER(10, 2)"), dtype_of("VARCHAR(16)")
    ('int64', 'float64', 'object')
    """
    name, _, rest = kind.upper().partition("(")
    if name.strip() in _WHOLE:
        scale = rest.rstrip(") ").partition(",")[2].strip()
        return "float64" if scale not in ("", "0") else "int64"
    if name.strip() in _FLOATS:
        return "float64"
    return {"BOOLEAN": "bool"}.get(name.strip(), "object")


def as_features(frame: pd.DataFrame, features: Mapping[str, str]) -> pd.DataFrame:
    """Return a frame's columns, matched by position, with the names and types of the features.

    A column of whole numbers that contains NULL becomes float64; other NULLs become None.
    """
    import pandas as pd  # late: the command line reads a spec without it

    data: dict[str, pd.Series] = {}
    for position, (name, kind) in enumerate(features.items()):
        column, wanted = frame.iloc[:, position], dtype_of(kind)
        if wanted in ("int64", "float64"):
            whole = wanted == "int64" and not column.isna().any()
            numbers = pd.to_numeric(column)
            data[name] = numbers.astype("int64") if whole else numbers.astype("Float64").astype("float64")
        elif wanted == "bool" and not column.isna().any():
            data[name] = column.astype(bool)
        else:
            data[name] = column.astype(object).where(column.notna(), None)
    return pd.DataFrame(data, index=frame.index)
