"""INSERT of many rows of constants, or of bound values.

The values become an Arrow table, and the statement an INSERT of a query over it: a tree has a node for each value,
and DuckDB an expression.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result, counts
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import TIMESTAMP_TZ, Column
from snowpipe_ml.local.statements.dml import insert
from snowpipe_ml.local.syntax.literal_rows import Constants, literal_rows
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.annotation import column_types
from snowpipe_ml.local.translate.arrow_relation import registered_relation
from snowpipe_ml.local.translate.bindings import column as bound_column
from snowpipe_ml.local.translate.passes import new_compiler

_FEWEST_ROWS = 10
_WHOLE = frozenset({"BIGINT", "HUGEINT"})
_MOMENTS = frozenset({"DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", TIMESTAMP_TZ})
_OTHERS = frozenset({"BLOB", "BOOLEAN", "DOUBLE", "VARCHAR"})


def insert_constants(session: Session, text: str) -> Result | None:
    """Run ``INSERT INTO t VALUES (1, 'x'), (2, 'y'), ...``.

    Returns:
        The result; None for a statement that must be parsed as any other: one of few rows, or whose constants
        are converted one by one.
    """
    found = literal_rows(text)
    if found is None or len(found[1][0].values) < _FEWEST_ROWS:
        return None
    head, constants = found
    tree = parse(f"{head} ({', '.join(['NULL'] * len(constants))})")
    if not isinstance(tree, exp.Insert):
        return None
    types = _target_types(session, tree)
    if len(types) != len(constants):
        return None
    arrays = []
    for column, type_ in zip(constants, types, strict=True):
        array = _array(column, type_)
        if array is None:
            return None
        arrays.append(array)
    return _insert_arrays(session, tree, arrays)


def insert_bound_rows(session: Session, text: str, rows: Sequence[Sequence[object]]) -> Result | None:
    """Run ``INSERT INTO t (a, b) VALUES (?, ?)`` or ``INSERT INTO t SELECT ?, PARSE_JSON(?)`` for many rows.

    Returns:
        The result; None for another statement.
    """
    tree = parse(text)
    if not isinstance(tree, exp.Insert):
        return None
    query = tree.expression
    if isinstance(query, exp.Values) and len(query.expressions) == 1:
        values = query.expressions[0].expressions
    elif isinstance(query, exp.Select) and set(query.args) - {"kind", "expressions"} == _absent(query):
        values = query.expressions
    else:
        return None
    if not rows:
        return counts(inserted=0)
    arrays = [bound_column([row[n] for row in rows]) for n in range(len(rows[0]))]
    return _insert_arrays(session, tree, arrays, values)


def _absent(query: exp.Select) -> set[str]:
    """Return the names of the clauses that a query does not have."""
    return {name for name, clause in query.args.items() if not clause}


def _target_types(session: Session, tree: exp.Insert) -> list[str]:
    """Return the DuckDB types of the columns of an INSERT; empty if one is not known."""
    schema = tree.this if isinstance(tree.this, exp.Schema) else None
    target = schema.this if schema is not None else tree.this
    if not isinstance(target, exp.Table) or not isinstance(target.this, exp.Identifier):
        return []
    database, of, name = session.resolve(tuple(map(_stored, target.parts)), "INSERT")
    types = dict(column_types(exp.table_(name, of, database, quoted=True), session))
    if schema is None:
        return list(types.values())
    found = [types.get(_stored(column)) for column in schema.expressions]
    return [type_ for type_ in found if type_ is not None] if None not in found else []


def _stored(identifier: exp.Expr) -> str:
    return identifier.name if identifier.args.get("quoted") else identifier.name.upper()


def _array(constants: Constants, type_: str) -> pa.Array | None:
    """Return constants as an array that converts to a DuckDB type as each of them would; None if none does."""
    texts = pa.array(constants.values, pa.string())
    number = type_ in _WHOLE or type_.startswith("DECIMAL") or type_ == "DOUBLE"
    match constants.kind:
        case "":
            return pa.nulls(len(texts))
        case "TEXT":
            return texts if number or type_ in _MOMENTS or type_ in _OTHERS else None
        case "BOOLEAN":
            return texts.cast(pa.bool_()) if type_ == "BOOLEAN" else None
        case "NUMBER" if type_ == "VARCHAR":
            # In an array of decimals, each number would be written with the digits of all others.
            whole = not any("." in value for value in constants.values if value is not None)
            return _exact(constants.values, texts) if whole else None
        case "NUMBER" if number:
            return texts.cast(pa.float64()) if type_ == "DOUBLE" else _exact(constants.values, texts)
    return None


def _exact(values: Sequence[str | None], texts: pa.Array) -> pa.Array | None:
    """Return numbers as an array; None if they have too many digits."""
    scale = max(len(value.partition(".")[2]) for value in values if value is not None)
    types = [pa.int64()] if scale == 0 else []
    if scale <= 38:
        types.append(pa.decimal128(38, scale))
    for type_ in types:
        try:
            return texts.cast(type_)
        except pa.ArrowInvalid:
            continue
    return None


def _insert_arrays(
    session: Session, tree: exp.Insert, arrays: Sequence[pa.Array], bound: Sequence[exp.Expr] | None = None
) -> Result:
    """Run an INSERT with columns of an Arrow table in place of its rows; columns of the type null are NULL.

    Args:
        session: the session.
        tree: the INSERT.
        arrays: the columns.
        bound: expressions whose placeholders the columns replace, in order; by default the columns themselves.
    """
    compiler = new_compiler(session)
    try:
        name = compiler.register(pa.table(list(arrays), names=[f"c{i}" for i in range(len(arrays))]))
        relation = session.duck.query(f"FROM {name}")
        kinds = [str(kind) for kind in relation.types] if relation is not None else []
        columns = [Column(f"V{i}", kind) for i, kind in enumerate(kinds)]
        values: list[exp.Expr] = [
            exp.Null() if pa.types.is_null(array.type) else exp.column(column.name, quoted=True)
            for column, array in zip(columns, arrays, strict=True)
        ]
        if bound is not None:
            values = _placed(bound, values)
        tree.set("expression", exp.select(*values).from_(registered_relation(name, columns)))
        return insert(session, tree, None)
    finally:
        compiler.release()


def _placed(written: Sequence[exp.Expr], values: Sequence[exp.Expr]) -> list[exp.Expr]:
    """Replace the placeholders in expressions: ``?`` in order, and ``:1`` by its number."""
    by_order = iter(values)
    placed = exp.Tuple(expressions=list(written))
    for placeholder in nodes(placed, exp.Placeholder):
        number = int(placeholder.name) - 1 if placeholder.name.isdigit() else None
        value = next(by_order, None) if number is None else dict(enumerate(values)).get(number)
        if value is None:
            raise errors.error(2049, "42601", "SQL compilation error:\nBind variable ? not set.")
        placeholder.replace(value.copy())
    return list(placed.expressions)
