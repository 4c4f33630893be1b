"""SYSTEM$TYPEOF: the type of an expression with its parameters, and how Snowflake stores it.

https://docs.snowflake.com/en/sql-reference/functions/system_typeof
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import check_count
from snowpipe_ml.local.translate.type_names import type_name
from snowpipe_ml.local.translate.types import BINARIES, TEXTS, T, kind

_STORED = {
    "BOOLEAN": "SB1",
    "DATE": "SB4",
    "FLOAT": "DOUBLE",
    "TIME": "SB8",
    "TIMESTAMP_LTZ": "SB16",
    "TIMESTAMP_NTZ": "SB16",
    "TIMESTAMP_TZ": "SB16",
}
# The bytes of a whole number by its digits, the scale included.
_BYTES = ((2, 1), (4, 2), (9, 4), (18, 8), (38, 16))


@scalar_function("SYSTEM$TYPEOF", returns=T.VARCHAR)
def _typeof(call: exp.Expr, session: Session) -> exp.Expr:
    check_count(call, 1, 1)
    value = call.expressions[0]
    shown = _declared(value, session) or _type(value)
    name, _, parameters = shown.partition("(")
    stored = _STORED.get(name, "LOB")
    if name == "NUMBER":
        digits = int(parameters.partition(",")[0])
        stored = f"SB{_bytes_of(value, digits)}"
    return exp.Literal.string(f"{shown}[{stored}]")


def _declared(value: exp.Expr, session: Session) -> str | None:
    """Return the declared type of a column that one table of the query has; None if it is not known."""
    select = value.parent_select
    if not isinstance(value, exp.Column) or select is None:
        return None
    found = [
        column.type
        for table in nodes(select, exp.Table)
        if table.catalog and table.parent_select is select and value.table in ("", table.alias_or_name)
        for column in stored_columns(session, (table.catalog, table.db, table.name))
        if column.name == value.name
    ]
    return found[0] if len(found) == 1 else None


def _type(value: exp.Expr) -> str:
    """Return the type of an annotated expression.

    Raises:
        UnsupportedError: the type, or the length of a text, is not known.
    """
    found = kind(value)
    if found in TEXTS | BINARIES:
        size = _length(value)
        shown = f"{'VARCHAR' if found in TEXTS else 'BINARY'}({size})" if size is not None else "?"
    else:
        shown = type_name(value)
    if shown == "?":
        raise UnsupportedError("SYSTEM$TYPEOF of an expression whose type or length is not known", "Cast it")
    return shown


def _length(value: exp.Expr) -> int | None:
    """Return the length of a text or of a BINARY; None if it is not known."""
    value = value.unnest()
    match value:
        case exp.Literal():
            return len(value.name)
        case exp.HexString():
            return len(value.name) // 2
        case exp.Cast() | exp.TryCast() if value.to.expressions:
            return int(value.to.expressions[0].name)
        case exp.DPipe() | exp.Concat():
            lengths = [_length(part) for part in value.iter_expressions()]
        case exp.Upper() | exp.Lower():
            lengths = [_length(value.this)]
        case exp.Anonymous() if value.name.upper() in ("CONCAT", "LOWER", "UPPER"):
            lengths = [_length(part) for part in value.expressions]
        case _:
            return None
    known = [length for length in lengths if length is not None]
    return sum(known) if len(known) == len(lengths) else None


def _bytes_of(value: exp.Expr, digits: int) -> int:
    """Return the bytes that a NUMBER takes: those of its value if it is a constant."""
    value = value.unnest()
    if isinstance(value, exp.Literal):
        whole = int(value.name.replace(".", ""))
        return next(size for size in (1, 2, 4, 8, 16) if whole < 2 ** (8 * size - 1))
    return next(size for most, size in _BYTES if digits <= most)
