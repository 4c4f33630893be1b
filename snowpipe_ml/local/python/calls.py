"""Calls of Python functions inside a query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from snowpipe_ml.local import errors
from snowpipe_ml.local.python.definition import Definition
from snowpipe_ml.local.python.registry import arrow_name
from snowpipe_ml.local.types import Column, to_duckdb
from snowpipe_ml.sql import DataType

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.query import Compiler


def _stored(kind: str) -> str:
    return to_duckdb(DataType.parse(kind))


def _cast(node: exp.Expr, kind: str) -> exp.Expr:
    cast = exp.cast(node, "VARCHAR" if _stored(kind) == "JSON" else _stored(kind), dialect="duckdb")
    cast.to.meta["stored"] = True
    return cast


def _with_defaults(definition: Definition, given: list[exp.Expr]) -> list[exp.Expr]:
    missing = definition.arguments[len(given) :]
    return [*given, *(exp.maybe_parse(str(a.default), dialect="snowflake") for a in missing)]


def _name(node: exp.Expr) -> tuple[str, ...]:
    """A call's name in stored form, with what qualifies it."""
    parts = [node.name if node.args.get("quoted") else node.name.upper()]
    parent = node.parent
    while isinstance(parent, exp.Dot):
        parts = [part.name for part in parent.this.find_all(exp.Identifier, bfs=False)] + [parts[-1]]
        parent = parent.parent
    return tuple(part.upper() for part in parts)


def scalar_call(node: exp.Expr, connection: Connection) -> exp.Expr | None:
    """A scalar function's call, as a call of the DuckDB function that stands for it; None if it is none."""
    if not connection.database:
        return None
    functions = connection.storage.functions
    definition = functions.choose(connection, _name(node), len(node.expressions))
    if definition is None:
        return None
    if definition.kind != "FUNCTION" or definition.table:
        raise errors.syntax(
            f"{definition.name} is a {'table function' if definition.table else 'procedure'}, not a scalar function"
        )
    arguments = [
        _cast(a.copy(), d.type)
        for a, d in zip(_with_defaults(definition, node.expressions), definition.arguments, strict=True)
    ]
    call: exp.Expr = exp.Anonymous(this=functions.scalar_name(connection, definition), expressions=arguments)
    call.meta["ours"] = True
    if not arguments:
        raise errors.UnsupportedError("a scalar Python function without arguments")
    if _stored(definition.returns) == "JSON":
        call = exp.cast(call, "JSON", dialect="duckdb")
        call.to.meta["stored"] = True
    return call


# --------------------------------------------------------------------------- table functions


def expand_call(node: exp.TableFromRows, compiler: Compiler) -> None:
    """Run a table function's call, and put the result in its place."""
    from snowpipe_ml.local.rewrite.relations import empty_relation

    connection = compiler.connection
    window = node.this if isinstance(node.this, exp.Window) else None
    call = window.this if window is not None else node.this
    if isinstance(call, exp.Dot):
        call = call.find(exp.Anonymous) or call
    if not isinstance(call, exp.Anonymous):
        raise errors.UnsupportedError(f"the table function {call.sql(dialect='snowflake')}")
    definition = connection.storage.functions.choose(connection, _name(call), len(call.expressions))
    if definition is None:
        raise errors.error(2140, "42601", f"SQL compilation error:\nUnknown table function {call.name.upper()}")
    if not definition.table:
        raise errors.syntax(f"{definition.name} is not a table function")
    if compiler.in_view:
        raise errors.UnsupportedError("a Python table function in a view")
    left = _left(node)
    alias = node.args.get("alias")
    if compiler.describing:
        _put(node, empty_relation([(name, _stored(kind)) for name, kind in definition.table]), alias)
        return
    arguments = [
        _cast(a.copy(), d.type)
        for a, d in zip(_with_defaults(definition, call.expressions), definition.arguments, strict=True)
    ]
    left_columns, data, offsets = _input(connection, left, arguments, window)
    width = len(definition.arguments)
    types = [pa.type_for_alias(arrow_name(argument.type)) for argument in definition.arguments]
    inputs = pa.table(
        [_as_arrow(data.column(len(left_columns) + i), t) for i, t in enumerate(types)],
        names=[str(i) for i in range(width)],
    ) if width else data.select([]).append_column("0", pa.nulls(data.num_rows))  # fmt: skip
    sources, result = connection.storage.functions.run_table(connection, definition, inputs, offsets)
    columns = [Column(name, _stored(kind)) for name, kind in definition.table]
    right = _relation(compiler, columns, result)
    if left is None:
        _put(node, right, alias)
        return
    partition_columns = {
        c.name
        for c in (window.args.get("partition_by") or [] if window is not None else [])
        if isinstance(c, exp.Column)
    }
    kept = _left_rows(left_columns, data, sources, offsets, partition_columns)
    left_relation = _relation(compiler, left_columns, kept)
    left_alias = left.args.get("alias") or exp.TableAlias(this=exp.to_identifier(left.alias_or_name, quoted=True))
    left_relation.set("alias", left_alias.copy())
    left.replace(left_relation)
    join = node.parent
    assert isinstance(join, exp.Join)
    join.set("method", "POSITIONAL")
    for key in ("kind", "side", "on", "using"):
        join.set(key, None)
    _put(node, right, alias)


def _put(node: exp.Expr, relation: exp.Subquery, alias: exp.Expr | None) -> None:
    if alias is not None:
        relation.set("alias", alias.copy())
    node.replace(relation)


def _left(node: exp.TableFromRows) -> exp.Expr | None:
    """The relation that a lateral call reads; None for a call of its own."""
    join = node.parent
    if not isinstance(join, exp.Join):
        return None
    select = join.parent
    assert select is not None
    if len(select.args.get("joins") or []) != 1:
        raise errors.UnsupportedError("a table function joined to several relations", "Join them in a subquery first")
    source: exp.Expr = select.args["from_"].this
    return source


def _input(
    connection: Connection, left: exp.Expr | None, arguments: list[exp.Expr], window: exp.Window | None
) -> tuple[list[Column], pa.Table, list[int]]:
    """The rows a table function reads, partition after partition.

    Returns:
        The left relation's columns; a table of these, then the arguments; where partitions start.
    """
    from snowpipe_ml.local.query import Compiler, select, to_sql

    partition = [p.copy() for p in window.args.get("partition_by") or []] if window is not None else []
    ordering = window.args.get("order") if window is not None else None
    order = ordering.expressions if ordering is not None else []
    query = exp.select()
    if left is not None:
        query = query.select("*").from_(left.copy())
        _carry_ctes(query, left)
    for i, argument in enumerate(arguments):
        query = query.select(exp.alias_(argument, f"_A{i}", quoted=True))
    constant = all(isinstance(p, exp.Literal) for p in partition)
    if partition and not constant:
        rank = exp.Window(
            this=_dense_rank(),
            partition_by=[],
            order=exp.Order(expressions=[exp.Ordered(this=p.copy(), nulls_first=False) for p in partition]),
        )
        query = query.select(exp.alias_(rank, "_P", quoted=True))
    else:
        query = query.select(exp.alias_(exp.Literal.number(1), "_P", quoted=True))
    query = query.order_by(exp.column("_P", quoted=True), *(o.copy() for o in order))
    inner = Compiler(connection)
    try:
        columns, table = select(connection, to_sql(inner.compile(query)))
    finally:
        inner.release()
    count = len(columns) - len(arguments) - 1
    ranks = table.column(table.num_columns - 1).combine_chunks().to_numpy(zero_copy_only=False)
    if len(ranks) == 0:
        offsets = [0]
    elif partition or window is not None:
        changes = np.flatnonzero(np.diff(ranks)) + 1
        offsets = [0, *changes.tolist(), len(ranks)]
    else:
        offsets = [0, len(ranks)]  # without PARTITION BY Snowflake splits as it likes: here, not at all
    return columns[:count], table, offsets


def _carry_ctes(query: exp.Select, left: exp.Expr) -> None:
    """Give a query the common table expressions that the left relation may name."""
    node: exp.Expr | None = left.parent
    found: list[exp.Expr] = []
    while node is not None:
        with_ = node.args.get("with_")
        if with_ is not None:
            found = [*(cte.copy() for cte in with_.expressions), *found]
        node = node.parent
    if found and any(isinstance(t, exp.Table) and not t.args.get("db") for t in query.find_all(exp.Table)):
        query.set("with_", exp.With(expressions=found))


def _as_arrow(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    if column.type == target:
        return column
    if pa.types.is_timestamp(column.type) and pa.types.is_timestamp(target):
        return column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.timestamp("us"))
    return column.cast(target)


def _left_rows(
    columns: list[Column], data: pa.Table, sources: pa.Array, offsets: list[int], partition_columns: set[str]
) -> pa.Table:
    """The left side of each result row: its source row, or only the partition's own columns at its end."""
    index = sources.to_numpy(zero_copy_only=False)
    at_end = index < 0
    starts = np.asarray(offsets, dtype=np.int64)
    rows = np.where(at_end, starts[np.where(at_end, -1 - index, 0)], index)
    taken = data.select(list(range(len(columns)))).take(pa.array(rows))
    if not at_end.any():
        return taken
    mask = pa.array(~at_end)
    arrays = []
    for i, column in enumerate(columns):
        values = taken.column(i)
        if column.name not in partition_columns:
            values = pc.if_else(mask, values, pa.scalar(None, values.type))
        arrays.append(values)
    return pa.table(arrays, names=taken.column_names)


def _relation(compiler: Compiler, columns: list[Column], table: pa.Table) -> exp.Subquery:
    from snowpipe_ml.local.rewrite.relations import _arrow_relation

    return _arrow_relation(compiler, columns, table)


def _dense_rank() -> exp.Expr:
    call = exp.Anonymous(this="dense_rank")
    call.meta["ours"] = True
    return call
