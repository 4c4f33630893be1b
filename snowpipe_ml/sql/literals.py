"""SQL literals in Snowflake's dialect."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal

from snowpipe_ml.errors import UnsafeSqlError

LiteralValue = (
    None | bool | int | float | Decimal | str | dt.date | dt.datetime | list[object] | tuple[object, ...]
)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that enters a statement as a literal.

    Single quotes in strings are doubled and backslashes escaped, because Snowflake interprets
    backslash escapes inside single quotes
    (https://docs.snowflake.com/en/sql-reference/data-types-text). A list becomes a parenthesized list
    of literals, for ``IN`` and for options such as ``FILES = (...)``.
    """

    value: object

    @property
    def sql(self) -> str:
        """The literal as SQL text.

        Raises:
            UnsafeSqlError: SQL has no literal for a value of this type.
        """
        return _render(self.value)

    def __str__(self) -> str:
        return self.sql


def _render(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case Decimal():
            return format(value, "f")
        case float():
            # Snowflake has no literals for NaN and infinity, but it casts these strings to them.
            return repr(value) if math.isfinite(value) else f"'{_special_float(value)}'::FLOAT"
        case str():
            if "\0" in value:
                raise UnsafeSqlError("a string with a NUL character cannot be a SQL literal")
            return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
        case dt.datetime():
            kind = "TIMESTAMP_NTZ" if value.tzinfo is None else "TIMESTAMP_TZ"
            return f"'{value.isoformat(sep=' ')}'::{kind}"
        case dt.date():
            return f"'{value.isoformat()}'::DATE"
        case list() | tuple():
            return "(" + ", ".join(_render(item) for item in value) + ")"
    raise UnsafeSqlError(f"there is no SQL literal for a {type(value).__name__}")


def _special_float(value: float) -> str:
    return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
