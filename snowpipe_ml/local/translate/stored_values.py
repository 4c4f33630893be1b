"""Convert the values that INSERT, UPDATE and MERGE store to the types of their columns, as Snowflake does.

DuckDB would convert them by its own rules: it does not read ``'17-DEC-1980'``, and writes 1.0 as the text of
the FLOAT 1.
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import scales_of
from snowpipe_ml.local.core.errors import error
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import SHAPES, TIMESTAMP_TZ, vector_type
from snowpipe_ml.local.translate.annotation import Relations
from snowpipe_ml.local.translate.assignments import assigned, assigned_table, types_of
from snowpipe_ml.local.translate.branches import branch_kinds
from snowpipe_ml.local.translate.conversions import SHOWN
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    MOMENTS,
    PLAIN,
    TEXTS,
    TIMESTAMPS,
    VARIANTS,
    T,
)

_MOMENTS = {
    "DATE": T.DATE,
    "TIME": T.TIME,
    "TIMESTAMP": T.TIMESTAMPNTZ,
    "TIMESTAMP WITH TIME ZONE": T.TIMESTAMPLTZ,
    TIMESTAMP_TZ: T.TIMESTAMPTZ,
}
_WHOLE = {"BIGINT": T.BIGINT, "HUGEINT": T.INT128}


def convert_stored(tree: exp.Expr, known: Relations, session: Session) -> None:
    """Add casts to the stored values of an annotated tree whose types differ from those of the columns.

    Args:
        tree: the tree.
        known: the columns of its tables: see :func:`snowpipe_ml.local.translate.annotation.relations`.
        session: the session.
    """
    target = assigned_table(tree)
    if target is None:
        return
    types = types_of(target, known)
    scales = _scales(target, types, session)
    if isinstance(tree, exp.Insert):
        _name_values(tree, types, always=bool(scales))
    for name, value, found in list(assigned(tree, list(types))):
        to = _conversion(found, types.get(name, ""))
        if name in scales and not _is_default(value):
            digits = exp.DataTypeParam(this=exp.Literal.number(scales[name]))
            to = exp.DataType(this=_MOMENTS[types[name]], expressions=[digits])
        if to is not None:
            if value.type is None and found is not None:
                value.type = exp.DataType(this=found)
            value.replace(exp.Cast(this=value.copy(), to=to))


def _scales(target: exp.Table, types: dict[str, str], session: Session) -> dict[str, int]:
    """Return the scales of the columns that keep less than microseconds."""
    if not any(kind_ in _MOMENTS and kind_ != "DATE" for kind_ in types.values()):
        return {}
    database, schema, table = (part.name for part in target.parts)
    return {name: n for name, n in scales_of(session, (database, schema, table)).items() if name in types}


def _name_values(tree: exp.Insert, types: dict[str, str], *, always: bool) -> None:
    """Make a SELECT with a value for each column of an INSERT whose values have no expressions: ``SELECT *``.

    Args:
        tree: the INSERT.
        types: the types of the columns of its table.
        always: whether to do so even if the types of the values are those of the columns.
    """
    source = tree.expression
    listed = tree.this.expressions if isinstance(tree.this, exp.Schema) else ()
    columns = [column.name for column in listed] or list(types)
    if (
        not isinstance(source, exp.Query)
        or isinstance(source, exp.Values)
        or (isinstance(source, exp.Select) and not any(each.is_star for each in source.expressions))
    ):
        return
    kinds = branch_kinds(source)
    kinds = kinds if len(kinds) == len(columns) else [None] * len(columns)
    if not always and not any(
        _conversion(found, types.get(name, "")) for name, found in zip(columns, kinds, strict=True)
    ):
        return
    names = [f"_{n}" for n in range(len(columns))]
    inner = exp.alias_(exp.Subquery(this=source.copy()), "_q", table=names)
    values = [exp.column(name, "_q") for name in names]
    for value, found in zip(values, kinds, strict=True):
        value.type = exp.DataType(this=found) if found is not None else None
    source.replace(exp.Select(expressions=values).from_(inner, copy=False))


def _is_default(value: exp.Expr) -> bool:
    return isinstance(value, exp.Var | exp.Column) and value.name.upper() == "DEFAULT"


def _conversion(found: exp.DType | None, stored: str) -> exp.DataType | None:
    """Return the type to which a value must be cast; None if DuckDB stores it as Snowflake does."""
    vector = vector_type(stored)
    if vector is not None and found is not None and found != T.VECTOR:
        raise error(
            2023,
            "22000",
            "SQL compilation error:\nExpression type does not match column data type, expecting "
            f"VECTOR({vector[0]}, {vector[1]}) but got {found.value}; cast it",
        )
    if stored in SHAPES:
        return (
            exp.DataType(this=T[SHAPES[stored]]) if found != T[SHAPES[stored]] and found is not None else None
        )
    moment = _MOMENTS.get(stored)
    if moment is not None:
        counted = found in INTEGERS | DECIMALS and moment in TIMESTAMPS  # seconds since 1970
        different = (
            counted or found in TEXTS | VARIANTS or (found in MOMENTS and PLAIN.get(found, found) != moment)
        )
        return exp.DataType(this=moment) if different else None
    if stored == "VARCHAR":
        return exp.DataType(this=T.VARCHAR) if found in SHOWN | VARIANTS else None
    if stored in ("ARRAY", "OBJECT") and found in (T.VARIANT, T.JSON):
        return exp.DataType(this=T[stored])
    if stored in _WHOLE and found in FLOATS:
        return exp.DataType(this=_WHOLE[stored])  # DuckDB rounds halves to even numbers
    if found not in TEXTS | VARIANTS:
        return None
    if stored in ("DOUBLE", "BOOLEAN", "BIGINT", "BLOB"):
        return exp.DataType(this={"BLOB": T.VARBINARY}.get(stored) or T[stored])
    return exp.DataType.build(stored) if stored.startswith("DECIMAL") else None
