"""Convert the values that INSERT, UPDATE and MERGE store to the types of their columns, as Snowflake does.

DuckDB would convert them by its own rules: it does not read ``'17-DEC-1980'``, and writes 1.0 as the text of
the FLOAT 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import scales_of
from snowpipe_ml.local.core.errors import error
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import SHAPES, TIMESTAMP_TZ, vector_type
from snowpipe_ml.local.translate.annotation import column_types
from snowpipe_ml.local.translate.conversions import SHOWN
from snowpipe_ml.local.translate.outputs import outputs
from snowpipe_ml.local.translate.types import (
    FLOATS,
    MOMENTS,
    PLAIN,
    TEXTS,
    T,
    kind,
)

_MOMENTS = {
    "DATE": T.DATE,
    "TIME": T.TIME,
    "TIMESTAMP": T.TIMESTAMPNTZ,
    "TIMESTAMP WITH TIME ZONE": T.TIMESTAMPLTZ,
    TIMESTAMP_TZ: T.TIMESTAMPTZ,
}
_WHOLE = {"BIGINT": T.BIGINT, "HUGEINT": T.INT128}


def convert_stored(tree: exp.Expr, session: Session) -> None:
    """Add casts to the stored values of an annotated tree whose types differ from those of the columns."""
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(tree, exp.Insert | exp.Update | exp.Merge) or not isinstance(target, exp.Table):
        return
    types = dict(column_types(target, session))
    scales = _scales(target, types, session)
    if scales and isinstance(tree, exp.Insert):
        _name_values(tree, types)
    for name, value, found in list(_assigned(tree, list(types))):
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


def _name_values(tree: exp.Insert, types: dict[str, str]) -> None:
    """Make a SELECT with a value for each column of an INSERT whose values have no expressions: ``SELECT *``."""
    source = tree.expression
    listed = tree.this.expressions if isinstance(tree.this, exp.Schema) else ()
    columns = [column.name for column in listed] or list(types)
    if (
        source is None
        or isinstance(source, exp.Values)
        or (isinstance(source, exp.Select) and not any(each.is_star for each in source.expressions))
    ):
        return
    names = [f"_{n}" for n in range(len(columns))]
    inner = exp.alias_(exp.Subquery(this=source.copy()), "_q", table=names)
    source.replace(exp.select(*(exp.column(name, "_q") for name in names)).from_(inner))


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
        different = found in TEXTS or (found in MOMENTS and PLAIN.get(found, found) != moment)
        return exp.DataType(this=moment) if different else None
    if stored == "VARCHAR":
        return exp.DataType(this=T.VARCHAR) if found in SHOWN else None
    if stored in _WHOLE and found in FLOATS:
        return exp.DataType(this=_WHOLE[stored])  # DuckDB rounds halves to even numbers
    if found not in TEXTS:
        return None
    if stored in ("DOUBLE", "BOOLEAN", "BIGINT", "BLOB"):
        return exp.DataType(this={"BLOB": T.VARBINARY}.get(stored) or T[stored])
    return exp.DataType.build(stored) if stored.startswith("DECIMAL") else None


def _assigned(tree: exp.Expr, columns: list[str]) -> Iterator[tuple[str, exp.Expr, exp.DType | None]]:
    """Yield (column, its new value, the type of the value) for the assignments of a statement."""
    if isinstance(tree, exp.Insert):
        if isinstance(tree.this, exp.Schema):
            columns = [column.name for column in tree.this.expressions]
        yield from _inserted(tree.expression, columns)
    whens = tree.args["whens"].expressions if isinstance(tree, exp.Merge) else []
    for action in (tree, *(when.args["then"] for when in whens)):
        if isinstance(action, exp.Update):
            pairs = [(item.this, item.expression) for item in action.expressions if isinstance(item, exp.EQ)]
        elif isinstance(action, exp.Insert) and isinstance(action.expression, exp.Tuple):
            listed = (
                action.this.expressions if isinstance(action.this, exp.Tuple) else map(exp.column, columns)
            )
            pairs = list(zip(listed, action.expression.expressions, strict=False))
        else:
            continue
        yield from ((column.name, value, kind(value)) for column, value in pairs)


def _inserted(source: exp.Expr, columns: list[str]) -> Iterator[tuple[str, exp.Expr, exp.DType | None]]:
    if isinstance(source, exp.Values):
        for row in source.expressions:
            values = row.expressions if isinstance(row, exp.Tuple) else [row]
            yield from ((name, value, kind(value)) for name, value in zip(columns, values, strict=False))
    elif isinstance(source, exp.Select):
        if any(projection.is_star for projection in source.expressions):
            return
        kinds = [found for _, found in outputs(source)] or [None] * len(source.expressions)
        for name, projection, found in zip(columns, source.expressions, kinds, strict=False):
            value = projection.this if isinstance(projection, exp.Alias) else projection
            yield name, value, found or kind(value)
