"""The values that INSERT, UPDATE and MERGE assign to columns, and the types that a column does not take.

https://docs.snowflake.com/en/sql-reference/data-type-conversion
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core.errors import error
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import SHAPES, TIMESTAMP_TZ, vector_type
from snowpipe_ml.local.translate.annotation import Relations
from snowpipe_ml.local.translate.outputs import outputs
from snowpipe_ml.local.translate.type_names import type_name
from snowpipe_ml.local.translate.types import (
    BINARIES,
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    TIMESTAMPS,
    T,
    kind,
)

_CLASSES: dict[exp.DType, str] = {
    **dict.fromkeys(INTEGERS | DECIMALS, "NUMBER"),
    **dict.fromkeys(FLOATS, "FLOAT"),
    **dict.fromkeys(TEXTS, "VARCHAR"),
    **dict.fromkeys(BINARIES, "BINARY"),
    **dict.fromkeys(TIMESTAMPS, "TIMESTAMP"),
    **dict.fromkeys((T.OBJECT, T.STRUCT), "OBJECT"),
    **{each: each.value for each in (T.BOOLEAN, T.DATE, T.TIME, T.ARRAY)},
}
_STORED = {
    "BIGINT": "NUMBER",
    "HUGEINT": "NUMBER",
    "DOUBLE": "FLOAT",
    "BLOB": "BINARY",
    TIMESTAMP_TZ: "TIMESTAMP",
    "JSON": "VARIANT",
}
# The types to which those of the key are not converted implicitly.
_REFUSED: dict[str, frozenset[str]] = {
    "ARRAY": frozenset(
        ["BINARY", "BOOLEAN", "DATE", "FLOAT", "NUMBER", "OBJECT", "TIME", "TIMESTAMP", "VARCHAR"]
    ),
    "BINARY": frozenset(
        ["ARRAY", "BOOLEAN", "DATE", "FLOAT", "NUMBER", "OBJECT", "TIME", "TIMESTAMP", "VARCHAR", "VARIANT"]
    ),
    "BOOLEAN": frozenset(["ARRAY", "BINARY", "DATE", "FLOAT", "NUMBER", "OBJECT", "TIME", "TIMESTAMP"]),
    "DATE": frozenset(["ARRAY", "BINARY", "BOOLEAN", "FLOAT", "NUMBER", "OBJECT", "TIME", "VARIANT"]),
    "FLOAT": frozenset(["ARRAY", "BINARY", "DATE", "OBJECT", "TIME"]),
    "NUMBER": frozenset(["ARRAY", "BINARY", "DATE", "OBJECT", "TIME"]),
    "OBJECT": frozenset(
        ["ARRAY", "BINARY", "BOOLEAN", "DATE", "FLOAT", "NUMBER", "TIME", "TIMESTAMP", "VARCHAR"]
    ),
    "TIME": frozenset(
        ["ARRAY", "BINARY", "BOOLEAN", "DATE", "FLOAT", "NUMBER", "OBJECT", "TIMESTAMP", "VARIANT"]
    ),
    "TIMESTAMP": frozenset(["ARRAY", "BINARY", "BOOLEAN", "FLOAT", "NUMBER", "OBJECT", "VARIANT"]),
    "VARCHAR": frozenset(["ARRAY", "OBJECT", "VARIANT"]),
}


def is_refused(found: exp.DType | None, target: str) -> bool:
    """Return whether a value of a type is not converted implicitly to the target, such as VARIANT or TIMESTAMP."""
    target = "TIMESTAMP" if target.startswith("TIMESTAMP") else target
    return found is not None and target in _REFUSED.get(_CLASSES.get(found, ""), ())


def assigned_table(tree: exp.Expr) -> exp.Table | None:
    """Return the table to which a statement assigns values; None for a query and for DELETE."""
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    changes = isinstance(tree, exp.Insert | exp.Update | exp.Merge)
    return target if changes and isinstance(target, exp.Table) else None


def types_of(table: exp.Table, known: Relations) -> dict[str, str]:
    """Return the types of the columns of a table among the known ones: DuckDB's, or ARRAY and OBJECT."""
    return dict(known.get(tuple(part.name for part in table.parts), []))


def check_assigned(tree: exp.Expr, known: Relations, session: Session) -> None:
    """Refuse assigned values that are not converted implicitly to the types of their columns.

    Args:
        tree: an annotated statement.
        known: the columns of its tables: see :func:`snowpipe_ml.local.translate.annotation.relations`.
        session: the session.

    Raises:
        ProgrammingError: a value has such a type.
    """
    table = assigned_table(tree)
    if table is None:
        return
    types = types_of(table, known)
    for name, value, found in _all_assigned(tree, list(types)):
        stored = types.get(name, "")
        target = "NUMBER" if stored.startswith("DECIMAL") else _STORED.get(stored, stored)
        if stored in SHAPES or vector_type(stored) is not None or not is_refused(found, target):
            continue
        parts = (table.catalog, table.db, table.name)
        declared = {column.name: column.type for column in stored_columns(session, parts)}
        shown = type_name(value, found)
        raise error(
            2023,
            "22000",
            "SQL compilation error:\nExpression type does not match column data type, expecting "
            f"{declared.get(name, target)} but got {shown} for column {name}",
        )


def _all_assigned(tree: exp.Expr, columns: list[str]) -> Iterator[tuple[str, exp.Expr, exp.DType | None]]:
    """Yield as :func:`assigned`, and for all branches of an INSERT's query, also below ``*``."""
    yield from assigned(tree, columns)
    if not isinstance(tree, exp.Insert):
        return
    named = (
        [column.name for column in tree.this.expressions] if isinstance(tree.this, exp.Schema) else columns
    )
    pending = [tree.expression]
    while pending:
        source = pending.pop()
        if isinstance(source, exp.Subquery | exp.SetOperation):
            pending += [source.this] if isinstance(source, exp.Subquery) else [source.expression, source.this]
        elif isinstance(source, exp.Select) and (source.is_star or source is not tree.expression):
            nothing = exp.Null()
            yield from (
                (name, nothing, found) for name, (_, found) in zip(named, outputs(source), strict=False)
            )


def assigned(tree: exp.Expr, columns: list[str]) -> Iterator[tuple[str, exp.Expr, exp.DType | None]]:
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
