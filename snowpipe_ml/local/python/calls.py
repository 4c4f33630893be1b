"""Calls of Python functions inside a query."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from snowpipe_ml.local import errors
from snowpipe_ml.local.parsing import parse
from snowpipe_ml.local.python.definition import Definition
from snowpipe_ml.local.python.travel import arrow_type, travels_as
from snowpipe_ml.local.rewrite.casts import macro, to_tz
from snowpipe_ml.local.rewrite.types import DECIMALS, FLOATS, INTEGERS, TEXTS, TIMESTAMPS, T
from snowpipe_ml.local.rewrite.types import kind as type_of
from snowpipe_ml.local.storage import SESSION_VARIABLE
from snowpipe_ml.local.types import Column, from_iso, to_duckdb
from snowpipe_ml.sql import DataType

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.query import Compiler


def _stored(kind: str) -> str:
    return to_duckdb(DataType.parse(kind))


def _cast(node: exp.Expr, kind: str) -> exp.Expr:
    """An argument in the type in which it travels."""
    if DataType.parse(kind).name == "TIMESTAMP_TZ":
        return macro("sf_tz_iso", to_tz(node))
    if _stored(kind) == "JSON":
        return macro("sf_variant", node)
    if _stored(kind) == "BIGINT" and type_of(node) in FLOATS:
        node = exp.func("round", node)
    steps = [_stored(kind), travels_as(kind)]
    for step in dict.fromkeys(steps):
        node = _stored_cast(node, step)
    return node


def _stored_cast(node: exp.Expr, duckdb: str) -> exp.Expr:
    cast = exp.cast(node, duckdb, dialect="duckdb")
    cast.to.meta["stored"] = True
    return cast


def snowflake_type(node: exp.Expr) -> str | None:
    """The name of an argument's Snowflake type, where it is known."""
    found = type_of(node)
    names = {
        T.BOOLEAN: "BOOLEAN",
        T.DATE: "DATE",
        T.TIME: "TIME",
        T.ARRAY: "ARRAY",
        T.OBJECT: "OBJECT",
        T.VARIANT: "VARIANT",
        T.JSON: "VARIANT",
        T.BINARY: "BINARY",
        T.VARBINARY: "BINARY",
        T.TIMESTAMPLTZ: "TIMESTAMP_LTZ",
        T.TIMESTAMPTZ: "TIMESTAMP_TZ",
    }
    if found in INTEGERS | DECIMALS:
        return "NUMBER"
    if found in FLOATS:
        return "FLOAT"
    if found in TEXTS:
        return "VARCHAR"
    return names.get(found) or ("TIMESTAMP_NTZ" if found in TIMESTAMPS else None)


_QUERY = re.compile(r"[\s(]*(SELECT|WITH)\b", re.I)
_RELATIONS = (exp.Query, exp.Table, exp.Lateral, exp.Unnest, exp.TableFromRows, exp.Values)


def _read(text: str, what: str) -> exp.Expr:
    """A default or the body of a SQL function, as it may stand in a statement.

    Args:
        text: the expression as it was written.
        what: the text, as a noun phrase for the message that refuses a query: its relations would stand in the
            statement when nothing looks at relations any more.

    Raises:
        ProgrammingError: it is not one expression, or there is a query in it.
    """
    from snowpipe_ml.local.rewrite.guard import name_identifiers
    from snowpipe_ml.local.rewrite.names import store_identifiers

    if _QUERY.match(text):
        raise errors.UnsupportedError(what)
    # Read as all expressions are, behind SELECT: by itself its first word might be a command's.
    tree = parse(f"SELECT {text.strip().rstrip(';')}")
    if not isinstance(tree, exp.Select):  # a UNION, say
        raise errors.UnsupportedError(what)
    clauses = [key for key, value in tree.args.items() if value and key != "expressions"]
    if (
        clauses
        or len(tree.expressions) != 1
        or isinstance(tree.expressions[0], exp.Alias | exp.Aliases | exp.Star)
    ):
        raise errors.syntax(f"'{text}' is not an expression")
    if tree.expressions[0].find(*_RELATIONS) is not None:
        raise errors.UnsupportedError(what)
    name_identifiers(tree)
    store_identifiers(tree)
    expression: exp.Expr = tree.expressions[0].pop()
    return expression


def _default(text: str) -> exp.Expr:
    return _read(text, "a query as an argument's default")


def _body(definition: Definition) -> exp.Expr:
    return _read(str(definition.body), "SQL functions whose body is a query")


def check_expressions(definition: Definition, connection: Connection) -> None:
    """Refuse a function whose defaults or SQL body a statement could not have in it.

    A call checks them too: they get into its statement when that has been checked already.

    Raises:
        ProgrammingError: one is not an expression, or has a query or a function in it that Snowflake has not.
    """
    from snowpipe_ml.local.rewrite.guard import check_functions

    found = [_default(argument.default) for argument in definition.arguments if argument.default is not None]
    if definition.language == "SQL":
        found.append(_body(definition))
    if found:
        check_functions(exp.select(*found), connection)


def with_defaults(definition: Definition, given: list[exp.Expr]) -> list[exp.Expr]:
    """An expression for each argument: given by place or by name (``a => 1``), else the default.

    Raises:
        ProgrammingError: a name is none of the arguments', or an argument is missing.
    """
    by_name = {node.name.upper(): node.expression for node in given if isinstance(node, exp.Kwarg)}
    by_place = [node for node in given if not isinstance(node, exp.Kwarg)]
    for name in set(by_name) - {a.name for a in definition.arguments[len(by_place) :]}:
        raise errors.error(904, "42000", f"SQL compilation error:\ninvalid argument name '{name}'")
    found = list(by_place)
    for argument in definition.arguments[len(by_place) :]:
        if argument.name in by_name:
            found.append(by_name[argument.name])
        elif argument.default is not None:
            found.append(_default(argument.default))
        else:
            raise errors.syntax(f"the argument {argument.name} of {definition.name} is missing")
    return found


def qualified_name(node: exp.Expr) -> tuple[str, ...]:
    """A function call's name in stored form, with what qualifies it."""
    this = node.this
    parts = [this.name if isinstance(this, exp.Identifier) and this.args.get("quoted") else node.name.upper()]
    parent = node.parent
    while isinstance(parent, exp.Dot):
        names = list(parent.this.find_all(exp.Identifier, bfs=False))
        parts = [part.name if part.args.get("quoted") else part.name.upper() for part in names] + parts
        parent = parent.parent
    return tuple(parts)


def scalar_call(node: exp.Expr, connection: Connection) -> exp.Expr | None:
    """A scalar function's call, as a call of the DuckDB function that stands for it; None if it is none."""
    if not connection.database:
        return None
    functions = connection.storage.functions
    definition = functions.choose(
        connection, qualified_name(node), [snowflake_type(a) for a in node.expressions]
    )
    if definition is None:
        return None
    if definition.returns_table:
        raise errors.syntax(f"{definition.name} is a table function, not a scalar function")
    check_expressions(definition, connection)
    given = with_defaults(definition, node.expressions)
    if definition.language == "SQL":
        return _inlined(definition, given, connection)
    arguments = [_cast(a.copy(), d.type) for a, d in zip(given, definition.arguments, strict=True)]
    if definition.kind == "AGGREGATE":
        arguments = [_list_of(argument) for argument in arguments]
    session = exp.Anonymous(this="getvariable", expressions=[exp.Literal.string(SESSION_VARIABLE)])
    session.meta["ours"] = True
    call: exp.Expr = exp.Anonymous(
        this=functions.scalar_name(connection, definition), expressions=[session, *arguments]
    )
    call.meta["ours"] = True
    if DataType.parse(definition.returns).name == "TIMESTAMP_TZ":
        call = macro("sf_text_to_tz", call)
    elif _stored(definition.returns) != travels_as(definition.returns):
        call = exp.cast(call, _stored(definition.returns), dialect="duckdb")
        call.to.meta["stored"] = True
    call.type = exp.DataType.build(definition.returns, dialect="snowflake")
    return call


def _list_of(node: exp.Expr) -> exp.Expr:
    """All values of a group, NULLs too."""
    call = exp.Anonymous(this="list", expressions=[node])
    call.meta["ours"] = True
    return call


def _inlined(definition: Definition, given: list[exp.Expr], connection: Connection) -> exp.Expr:
    """A scalar SQL function's body with the arguments in the names' places."""
    from snowpipe_ml.local.rewrite.functions import apply_rules

    body = exp.select(_body(definition))
    by_name = {a.name: _sql_cast(value, a.type) for a, value in zip(definition.arguments, given, strict=True)}
    for column in list(body.find_all(exp.Column)):
        if column.name in by_name and not column.table:
            column.replace(by_name[column.name].copy())
    inlined: exp.Expr = apply_rules(
        exp.select(_sql_cast(body.expressions[0], definition.returns)), connection
    ).expressions[0]
    return inlined


def _sql_cast(node: exp.Expr, kind: str) -> exp.Expr:
    return exp.Paren(this=exp.cast(node.copy(), exp.DataType.build(kind, dialect="snowflake")))


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
    given = [snowflake_type(argument) for argument in call.expressions]
    definition = connection.storage.functions.choose(connection, qualified_name(call), given)
    if definition is None:
        expand_procedure(node, call, compiler)
        return
    if not definition.returns_table:
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
        for a, d in zip(with_defaults(definition, call.expressions), definition.arguments, strict=True)
    ]
    left_columns, data, offsets = _input(connection, left, arguments, window)
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
    sources, result = connection.storage.functions.run_table(connection, definition, inputs, offsets)
    columns = [Column(name, _stored(kind)) for name, kind in definition.table]
    result = stored_values(definition, result)
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


def expand_procedure(node: exp.TableFromRows, call: exp.Anonymous, compiler: Compiler) -> None:
    """``SELECT * FROM TABLE(procedure(1))``: a procedure that returns a table, in place of a table."""
    from snowpipe_ml.local.python.procedures import call_procedure
    from snowpipe_ml.local.rewrite.relations import empty_relation

    connection = compiler.connection
    found = connection.storage.functions.find(connection, qualified_name(call), "PROCEDURE")
    if not any(definition.returns_table for definition in found):
        raise errors.error(
            2140, "42601", f"SQL compilation error:\nUnknown table function {call.name.upper()}"
        )
    alias = node.args.get("alias")
    columns = found[0].table
    if compiler.describing and columns:
        _put(node, empty_relation([(name, _stored(kind)) for name, kind in columns]), alias)
        return
    result = call_procedure(connection, qualified_name(call), call.expressions)
    _put(node, _relation(compiler, result.columns, result.table), alias)


def stored_values(definition: Definition, result: pa.Table) -> pa.Table:
    """What a worker gave, in the types in which it is stored; columns by position."""
    kinds = [kind for _, kind in definition.table] or [definition.returns]
    columns = [
        from_iso(column) if DataType.parse(kind).name == "TIMESTAMP_TZ" else column
        for column, kind in zip(result.columns, kinds, strict=True)
    ]
    return pa.table(columns, names=[str(i) for i in range(len(columns))])


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
        raise errors.UnsupportedError(
            "a table function joined to several relations", "Join them in a subquery first"
        )
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
