"""Calls of Python functions inside a query."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.catalog.functions import Definition
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import SESSION_VARIABLE
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.python.arguments import (
    _as_arrow,
    _body,
    _cast,
    _stored,
    check_expressions,
    shape_of,
    snowflake_type,
    stored_values,
    with_defaults,
)
from snowpipe_ml.local.python.registry import functions_of
from snowpipe_ml.local.python.travel import SHAPES, arrow_type, travels_as
from snowpipe_ml.local.translate.arrow_relation import arrow_relation, empty_relation
from snowpipe_ml.local.translate.compiler import Compiler, to_sql
from snowpipe_ml.local.translate.expressions import macro
from snowpipe_ml.local.translate.names import qualified_name
from snowpipe_ml.local.translate.passes import new_compiler
from snowpipe_ml.local.translate.registry import user_scalar, user_table
from snowpipe_ml.local.translate.rules import apply_rules
from snowpipe_ml.sql import DataType


@user_scalar
def scalar_call(node: exp.Expr, session: Session) -> exp.Expr | None:
    """Translate the call of a user-defined scalar function; return None for any other call.

    A Python function becomes a call of the DuckDB function registered for it, a SQL function its body.
    """
    if not session.database:
        return None
    functions = functions_of(session.storage)
    definition = functions.choose(
        session, qualified_name(node), [snowflake_type(a) for a in node.expressions]
    )
    if definition is None:
        return None
    if definition.returns_table:
        raise errors.syntax(f"{definition.name} is a table function, not a scalar function")
    check_expressions(definition, session)
    given = with_defaults(definition, node.expressions)
    if definition.language == "SQL":
        return _inlined(definition, given, session)
    given = _with_translated_defaults(node, given, session)
    arguments = [_cast(a.copy(), d.type) for a, d in zip(given, definition.arguments, strict=True)]
    if definition.kind == "AGGREGATE":
        arguments = [_list_of(argument) for argument in arguments]
    number = exp.Anonymous(this="getvariable", expressions=[exp.Literal.string(SESSION_VARIABLE)])
    number.meta["ours"] = True
    call: exp.Expr = exp.Anonymous(
        this=functions.scalar_name(session, definition), expressions=[number, *arguments]
    )
    call.meta["ours"] = True
    if DataType.parse(definition.returns).name == "TIMESTAMP_TZ":
        call = macro("sf_text_to_tz", call)
    elif DataType.parse(definition.returns).name in SHAPES:
        call.type = exp.DataType.build("VARCHAR")
        call = shape_of(call, definition.returns)
    elif _stored(definition.returns) != travels_as(definition.returns):
        call = exp.cast(call, _stored(definition.returns), dialect="duckdb")
        call.to.meta["stored"] = True
    call.type = exp.DataType.build(definition.returns, dialect="snowflake")
    return call


def _with_translated_defaults(node: exp.Expr, given: list[exp.Expr], session: Session) -> list[exp.Expr]:
    """Translate the arguments that are defaults; the others are translated with the statement."""
    own = {id(each.expression if isinstance(each, exp.Kwarg) else each) for each in node.expressions}
    return [
        each if id(each) in own else apply_rules(exp.select(each), session).expressions[0].unalias()
        for each in given
    ]


def _list_of(node: exp.Expr) -> exp.Expr:
    """Collect all values of a group, including NULLs."""
    call = exp.Anonymous(this="list", expressions=[node])
    call.meta["ours"] = True
    return call


def _inlined(definition: Definition, given: list[exp.Expr], session: Session) -> exp.Expr:
    """Return the body of a scalar SQL function with its argument names replaced by the arguments."""
    body = exp.select(_body(definition))
    by_name = {a.name: _sql_cast(value, a.type) for a, value in zip(definition.arguments, given, strict=True)}
    for column in list(body.find_all(exp.Column)):
        if column.name in by_name and not column.table:
            column.replace(by_name[column.name].copy())
    inlined: exp.Expr = apply_rules(
        exp.select(_sql_cast(body.expressions[0], definition.returns)), session
    ).expressions[0]
    return inlined


def _sql_cast(node: exp.Expr, kind: str) -> exp.Expr:
    return exp.Paren(this=exp.cast(node.copy(), exp.DataType.build(kind, dialect="snowflake")))


@user_table
def expand_call(node: exp.TableFromRows, compiler: Compiler) -> bool:
    """Run the call of a table function and replace it by the result."""
    session = compiler.session
    window = node.this if isinstance(node.this, exp.Window) else None
    call = window.this if window is not None else node.this
    if isinstance(call, exp.Dot):
        call = call.find(exp.Anonymous) or call
    if not isinstance(call, exp.Anonymous):
        raise errors.UnsupportedError(f"the table function {call.sql(dialect='snowflake')}")
    given = [snowflake_type(argument) for argument in call.expressions]
    definition = functions_of(session.storage).choose(session, qualified_name(call), given)
    if definition is None:
        return False
    if not definition.returns_table:
        raise errors.syntax(f"{definition.name} is not a table function")
    if compiler.in_view:
        raise errors.UnsupportedError("a Python table function in a view")
    left = _left(node)
    alias = node.args.get("alias")
    if compiler.describing:
        _put(node, empty_relation([(name, _stored(kind)) for name, kind in definition.table]), alias)
        return True
    arguments = [
        _cast(a.copy(), d.type)
        for a, d in zip(with_defaults(definition, call.expressions), definition.arguments, strict=True)
    ]
    left_columns, data, offsets = _input(session, left, arguments, window)
    width = len(definition.arguments)
    types = [arrow_type(argument.type) for argument in definition.arguments]
    inputs = (
        pa.table(
            [_as_arrow(data.column(len(left_columns) + i), t) for i, t in enumerate(types)],
            names=[str(i) for i in range(width)],
        )
        if width
        else data.select([]).append_column("0", pa.nulls(data.num_rows))
    )
    sources, result = functions_of(session.storage).run_table(session, definition, inputs, offsets)
    columns = [Column(name, _stored(kind)) for name, kind in definition.table]
    result = stored_values(definition, result)
    right = _relation(compiler, columns, result)
    if left is None:
        _put(node, right, alias)
        return True
    partition_columns = {
        c.name
        for c in (window.args.get("partition_by") or [] if window is not None else [])
        if isinstance(c, exp.Column)
    }
    kept = _left_rows(left_columns, data, sources, offsets, partition_columns)
    left_relation = _relation(compiler, left_columns, kept)
    left_alias = left.args.get("alias") or exp.TableAlias(
        this=exp.to_identifier(left.alias_or_name, quoted=True)
    )
    left_relation.set("alias", left_alias.copy())
    left.replace(left_relation)
    join = node.parent
    assert isinstance(join, exp.Join)
    join.set("method", "POSITIONAL")
    for key in ("kind", "side", "on", "using"):
        join.set(key, None)
    _put(node, right, alias)
    return True


def _put(node: exp.Expr, relation: exp.Subquery, alias: exp.Expr | None) -> None:
    if alias is not None:
        relation.set("alias", alias.copy())
    node.replace(relation)


def _left(node: exp.TableFromRows) -> exp.Expr | None:
    """Return the relation that a lateral call reads; None for a call that is not lateral."""
    join = node.parent
    if not isinstance(join, exp.Join):
        return None
    select = join.parent
    assert select is not None
    if len(select.args.get("joins") or []) != 1:
        raise errors.UnsupportedError(
            "a table function joined to several relations", "Join them in a subquery first"
        )
    source: exp.Expr = select.args["from_"].this
    return source


def _input(
    session: Session, left: exp.Expr | None, arguments: list[exp.Expr], window: exp.Window | None
) -> tuple[list[Column], pa.Table, list[int]]:
    """Select the rows that a table function reads, ordered by partition.

    Returns:
        The columns of the left relation; a table of these columns and the arguments; the offsets of the
        partitions.
    """
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
    inner = new_compiler(session)
    try:
        columns, table = select(session, to_sql(inner.compile(query)))
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
        offsets = [0, len(ranks)]  # without PARTITION BY the rows are one partition; Snowflake may split them
    return columns[:count], table, offsets


def _carry_ctes(query: exp.Select, left: exp.Expr) -> None:
    """Copy the common table expressions that the left relation may reference into a query."""
    node: exp.Expr | None = left.parent
    found: list[exp.Expr] = []
    while node is not None:
        with_ = node.args.get("with_")
        if with_ is not None:
            found = [*(cte.copy() for cte in with_.expressions), *found]
        node = node.parent
    if found and any(isinstance(t, exp.Table) and not t.args.get("db") for t in query.find_all(exp.Table)):
        query.set("with_", exp.With(expressions=found))


def _left_rows(
    columns: list[Column], data: pa.Table, sources: pa.Array, offsets: list[int], partition_columns: set[str]
) -> pa.Table:
    """Return the left side of each result row.

    This is its source row; for rows from the end of a partition, only the partition columns.
    """
    index = sources.to_numpy(zero_copy_only=False)
    at_end = index < 0
    starts = np.asarray(offsets, dtype=np.int64)
    rows = np.where(at_end, starts[np.where(at_end, -1 - index, 0)], index)
    taken = data.select(list(range(len(columns)))).take(pa.array(rows))
    if not at_end.any():
        return taken
    import pyarrow.compute as pc  # imported late: its start takes longer than most statements

    mask = pa.array(~at_end)
    arrays = []
    for i, column in enumerate(columns):
        values = taken.column(i)
        if column.name not in partition_columns:
            values = pc.if_else(mask, values, pa.scalar(None, values.type))
        arrays.append(values)
    return pa.table(arrays, names=taken.column_names)


def _relation(compiler: Compiler, columns: list[Column], table: pa.Table) -> exp.Subquery:
    return arrow_relation(compiler, columns, table)


def _dense_rank() -> exp.Expr:
    call = exp.Anonymous(this="dense_rank")
    call.meta["ours"] = True
    return call
