"""Relations in a FROM clause that are not tables: staged files, results, metadata, Python table functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local import errors
from snowpipe_ml.local.cancellation import canceled_queries
from snowpipe_ml.local.rewrite import flatten
from snowpipe_ml.local.types import Column

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.query import Compiler


def expand_relations(tree: exp.Expr, compiler: Compiler) -> exp.Expr:
    """Replace every relation that DuckDB does not know."""
    _number_values(tree)
    for table in list(tree.find_all(exp.Table)):
        if isinstance(table.this, exp.Var | exp.Literal) and table.name.startswith("@"):
            _staged_files(table, compiler)
        elif isinstance(table.this, exp.DirectoryStage):
            _directory(table, compiler)
        elif table.args.get("when") is not None or table.args.get("changes") is not None:
            raise errors.UnsupportedError("time travel (AT, BEFORE, CHANGES)")
        elif table.db.upper() == "INFORMATION_SCHEMA":
            _information_schema(table, compiler)
    flatten.laterals(tree)
    # The innermost first: an outer call reads what an inner one makes.
    for node in reversed(list(tree.find_all(exp.TableFromRows))):
        _table_call(node, compiler)
    flatten.number_inputs(tree)
    return tree


def _replace(node: exp.Expr, relation: exp.Expr) -> None:
    """Put a relation in a node's place, under the node's alias."""
    alias = node.args.get("alias")
    if alias is not None:
        relation.set("alias", alias.copy())
    node.replace(relation)


def _arrow_relation(compiler: Compiler, columns: list[Column], table: pa.Table) -> exp.Subquery:
    """A result as a relation; its columns by position, because names may repeat."""
    from snowpipe_ml.local.query import resolved_table

    name = compiler.register(table.rename_columns([f"c{i}" for i in range(table.num_columns)]))
    select = exp.select(
        *(
            exp.alias_(
                _as_type(exp.column(f"c{i}", quoted=True), column.duckdb),
                exp.to_identifier(column.name, quoted=True),
            )
            for i, column in enumerate(columns)
        )
    ).from_(resolved_table(name))
    return exp.Subquery(this=select)


def _as_type(node: exp.Expr, duckdb: str) -> exp.Expr:
    if duckdb in ('"NULL"', "NULL"):
        return node
    cast = exp.cast(node, duckdb, dialect="duckdb")
    cast.to.meta["stored"] = True
    return cast


def empty_relation(columns: list[tuple[str, str]]) -> exp.Subquery:
    """A relation of no rows, with these (name, DuckDB type) columns: enough to describe a query."""
    nulls = [
        exp.alias_(_as_type(exp.Null(), kind), exp.to_identifier(name, quoted=True)) for name, kind in columns
    ]
    return exp.Subquery(this=exp.select(*nulls).limit(0))


def _number_values(tree: exp.Expr) -> None:
    """``SELECT $1 FROM VALUES (1), (2)``: the columns are named and ``$1`` is the first of them."""
    for values in list(tree.find_all(exp.Values)):
        rows = values.expressions
        if not rows or not isinstance(rows[0], exp.Tuple) or isinstance(values.parent, exp.Insert):
            continue
        alias = values.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            continue
        names = [exp.to_identifier(f"COLUMN{i + 1}", quoted=True) for i in range(len(rows[0].expressions))]
        name = alias.this if alias is not None and alias.this else exp.to_identifier("_VALUES", quoted=True)
        values.set("alias", exp.TableAlias(this=name.copy(), columns=names))
        select = values.find_ancestor(exp.Select)
        if select is None:
            continue
        for parameter in list(select.find_all(exp.Parameter)):
            if parameter.find_ancestor(exp.Select) is select and parameter.name.isdigit():
                parameter.replace(exp.column(exp.to_identifier(f"COLUMN{parameter.name}", quoted=True)))


def _staged_files(table: exp.Table, compiler: Compiler) -> None:
    """``SELECT $1 FROM @stage/x (FILE_FORMAT => 'F')`` reads the files."""
    from snowpipe_ml.local import staged
    from snowpipe_ml.local.stages import file_format, find_stage

    connection = compiler.connection
    stage, path = find_stage(connection, table.name.rstrip("("))
    given = table.args.get("format")
    options = file_format(connection, given.name if given is not None else None, stage)
    pattern = table.args.get("pattern")
    files = stage.files(path, pattern.name if pattern is not None else None)
    _replace(
        table, exp.Subquery(this=staged.relation(compiler, options, files, table.find_ancestor(exp.Select)))
    )


def _directory(table: exp.Table, compiler: Compiler) -> None:
    """``DIRECTORY(@stage)``: the files of a stage, as they are now."""
    from snowpipe_ml.local.stages import directory, find_stage

    stage, _ = find_stage(compiler.connection, table.this.this.name)
    columns, data = directory(stage)
    _replace(table, _arrow_relation(compiler, columns, data))


def _information_schema(table: exp.Table, compiler: Compiler) -> None:
    from snowpipe_ml.local.information_schema import view

    connection = compiler.connection
    database = table.catalog or connection.database
    if not database:
        raise errors.no_database("SELECT")
    columns, data = view(connection, database, table.name.upper())
    _replace(table, _arrow_relation(compiler, columns, data))


Call = Callable[[exp.TableFromRows, list[exp.Expr], "Compiler"], exp.Expr]


def _literal(connection: Connection, node: exp.Expr) -> Any:
    """The value of a constant argument."""
    if isinstance(node, exp.Literal):
        return node.name if node.is_string else int(node.name)
    if isinstance(node, exp.Anonymous) and node.name.upper() == "LAST_QUERY_ID":
        index = int(node.expressions[0].name) if node.expressions else -1
        return connection.last_query_ids[index]
    if isinstance(node, exp.Column):
        return node.name
    raise errors.UnsupportedError(f"{node.sql(dialect='snowflake')} as an argument here", "Give a constant")


def _table_call(node: exp.TableFromRows, compiler: Compiler) -> None:
    from snowpipe_ml.local.python.calls import expand_call

    call = node.this
    if isinstance(call, exp.Dot):
        names = [part.name.upper() for part in call.find_all(exp.Identifier, bfs=False)]
        call = call.find(exp.Anonymous) or call
        if "INFORMATION_SCHEMA" not in names:
            expand_call(node, compiler)
            return
    if isinstance(call, exp.Generator):
        _generator(node, call)
        return
    name = call.name.upper() if isinstance(call, exp.Anonymous) else ""
    flat = flatten.table_call(node)
    if flat is not None:
        _replace(node, flat)
        return
    builtin = _BUILTINS.get(name)
    if builtin:
        _replace(node, builtin(call.expressions, compiler))
        return
    expand_call(node, compiler)


def _generator(node: exp.TableFromRows, call: exp.Expr) -> None:
    """``TABLE(GENERATOR(ROWCOUNT => n))``; SEQ4() counts its rows from 0."""
    count = call.args.get("rowcount")
    if count is None:
        raise errors.UnsupportedError("GENERATOR without ROWCOUNT")
    select = node.find_ancestor(exp.Select)
    for sequence in (
        list(select.find_all(exp.Seq1, exp.Seq2, exp.Seq4, exp.Seq8)) if select is not None else []
    ):
        sequence.replace(_sequence(sequence, int(count.name)))
    rows = exp.select("*").from_(
        exp.Table(
            this=exp.Anonymous(this="range", expressions=[exp.Literal.number(int(count.name))]),
            alias=exp.TableAlias(
                this=exp.to_identifier("_RANGE", quoted=True),
                columns=[exp.to_identifier("_SEQUENCE", quoted=True)],
            ),
        )
    )
    for call_ in rows.find_all(exp.Anonymous):
        call_.meta["ours"] = True
    _replace(node, exp.Subquery(this=rows))


_WIDTHS: dict[type[exp.Expr], int] = {exp.Seq1: 1, exp.Seq2: 2, exp.Seq4: 4, exp.Seq8: 8}


def _sequence(call: exp.Expr, rows: int) -> exp.Expr:
    """``SEQ1(1)`` counts to 127 and begins again at -128.

    https://docs.snowflake.com/en/sql-reference/functions/seq1
    """
    number = exp.column(exp.to_identifier("_SEQUENCE", quoted=True))
    width = _WIDTHS[type(call)]
    half = 2 ** (8 * width - 1)
    if rows <= half:
        return number
    if call.this is None or call.this.name != "1":
        raise errors.UnsupportedError(f"more than {half} rows of SEQ{width}() without a sign", "Use SEQ8()")
    shifted = exp.Paren(this=exp.Add(this=number, expression=exp.Literal.number(half)))
    wrapped = exp.Mod(this=shifted, expression=exp.Literal.number(2 * half))
    return exp.Paren(this=exp.Sub(this=wrapped, expression=exp.Literal.number(half)))


def _result_scan(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(RESULT_SCAN('id'))``: the rows that a statement returned."""
    query_id = str(_literal(compiler.connection, arguments[0]))
    columns, table = compiler.connection.storage.results.get(query_id)
    return _arrow_relation(compiler, columns, table)


def _validate(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(VALIDATE(t, JOB_ID => 'id'))``: the rows that a COPY rejected."""
    from snowpipe_ml.local.load_history import rejected

    connection = compiler.connection
    column = arguments[0]
    if not isinstance(column, exp.Column) or len(arguments) != 2 or not isinstance(arguments[1], exp.Kwarg):
        raise errors.syntax("VALIDATE takes a table and JOB_ID => 'query id'")
    name = connection.resolve(tuple(part.name for part in column.parts))
    job = str(_literal(connection, arguments[1].expression))
    columns, table = rejected(connection, name, None if job == "_last" else job)
    return _arrow_relation(compiler, columns, table)


def _tag_references(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.TAG_REFERENCES('object', 'domain'))``."""
    from snowpipe_ml.local.information_schema import tag_references

    connection = compiler.connection
    columns, table = tag_references(
        connection, str(_literal(connection, arguments[0])), str(_literal(connection, arguments[1]))
    )
    return _arrow_relation(compiler, columns, table)


def _infer_schema(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFER_SCHEMA(LOCATION => '@stage', FILE_FORMAT => 'name'))``."""
    from snowpipe_ml.local.infer_schema import infer_schema

    options = {}
    for argument in arguments:
        if not isinstance(argument, exp.Kwarg):
            raise errors.syntax("INFER_SCHEMA takes its arguments by name")
        value = argument.expression
        items = (
            value.expressions
            if isinstance(value, exp.Tuple)
            else [value.this]
            if isinstance(value, exp.Paren)
            else None
        )
        options[argument.name.upper()] = (
            [item.name for item in items]
            if items is not None
            else value.this
            if isinstance(value, exp.Boolean)
            else _literal(compiler.connection, value)
        )
    columns, table = infer_schema(compiler, options)
    return _arrow_relation(compiler, columns, table)


def _query_history(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.QUERY_HISTORY([RESULT_LIMIT => n]))`` of all sessions."""
    return _history(arguments, compiler, None)


def _session_history(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION([SESSION_ID => n], [RESULT_LIMIT => n]))``."""
    return _history(arguments, compiler, compiler.connection.session_id)


def _history(arguments: list[exp.Expr], compiler: Compiler, session_id: int | None) -> exp.Expr:
    from snowpipe_ml.local.information_schema import query_history

    limit = 100
    for argument in arguments:
        name = argument.name.upper() if isinstance(argument, exp.Kwarg) else ""
        if name == "RESULT_LIMIT":
            limit = int(_literal(compiler.connection, argument.expression))
        elif name == "SESSION_ID":
            if not argument.expression.name.upper().startswith("CURRENT_SESSION"):
                session_id = int(_literal(compiler.connection, argument.expression))
        else:
            raise errors.UnsupportedError(f"QUERY_HISTORY with {name or 'an argument without a name'}")
    columns, table = query_history(compiler.connection, session_id, limit)
    return _arrow_relation(compiler, columns, table)


_BUILTINS: dict[str, Callable[[list[exp.Expr], Compiler], exp.Expr]] = {
    "RESULT_SCAN": _result_scan,
    "VALIDATE": _validate,
    "TAG_REFERENCES": _tag_references,
    "INFER_SCHEMA": _infer_schema,
    "QUERY_HISTORY": _query_history,
    "QUERY_HISTORY_BY_SESSION": _session_history,
    "QUERY_HISTORY_BY_USER": _query_history,
    "QUERY_HISTORY_BY_WAREHOUSE": _query_history,
}


_SECONDS = {"DAYS": 86400, "HOURS": 3600, "MINUTES": 60, "SECONDS": 1, "MILLISECONDS": 0.001}


def _wait(arguments: list[Any], connection: Connection) -> exp.Expr:
    """``SYSTEM$WAIT(2 [, 'SECONDS'])``."""
    unit = str(arguments[1]).upper() if len(arguments) > 1 else "SECONDS"
    if unit not in _SECONDS:
        raise errors.syntax(f"invalid unit '{unit}' for SYSTEM$WAIT")
    connection.cancellation.wait(float(arguments[0]) * _SECONDS[unit])
    return exp.Literal.string(f"waited {arguments[0]} {unit.lower()}")


def system_function(node: exp.Expr, connection: Connection) -> exp.Expr | None:
    """SYSTEM$ functions, what asks about the session, and the user's scalar functions."""
    name = node.name.upper()
    arguments = node.expressions
    match name:
        case "LAST_QUERY_ID":
            return exp.Literal.string(str(_literal(connection, node)))
        case "SYSTEM$STREAM_HAS_DATA":
            from snowpipe_ml.local.streams import has_data

            return exp.convert(has_data(connection, str(_literal(connection, arguments[0]))))
        case "SYSTEM$LAST_CHANGE_COMMIT_TIME":
            from snowpipe_ml.local.changes import last_change

            return exp.convert(last_change(connection, str(_literal(connection, arguments[0]))))
        case "SYSTEM$GET_TAG":
            from snowpipe_ml.local.tags import get_tag

            return exp.convert(get_tag(connection, *(str(_literal(connection, a)) for a in arguments)))
        case "SYSTEM$GET_DEFAULT_PYTHON_ARTIFACT_REPOSITORY":
            return exp.Null()
        case "SYSTEM$ARE_ANACONDA_TERMS_ACKNOWLEDGED":
            return exp.Boolean(this=True)
        case "SYSTEM$WAIT":
            return _wait([_literal(connection, a) for a in arguments], connection)
        case "SYSTEM$CANCEL_ALL_QUERIES":
            other = connection.storage.sessions.get(int(str(_literal(connection, arguments[0]))))
            cancelled = other is not None and other is not connection and other.interrupt()
            return exp.Literal.string(canceled_queries(int(cancelled)))
        case (
            "SYSTEM$TYPEOF" | "GETVARIABLE" | "CURRENT_SCHEMAS"
        ):  # the last two mean something else in DuckDB
            raise errors.UnsupportedError(f"the function {name}")
        case "CURRENT_WAREHOUSE":
            return exp.convert(connection.warehouse)
        case "CURRENT_DATABASE":
            return exp.convert(connection.database)
        case "CURRENT_SCHEMA":
            return exp.convert(connection.schema)
        case "CURRENT_ROLE":
            return exp.convert(connection.role)
        case "CURRENT_SESSION":
            return exp.convert(str(connection.session_id))
        case "CURRENT_TRANSACTION":
            return exp.convert(str(connection.session_id) if connection.in_transaction else None)
        case "CURRENT_CLIENT":
            from importlib.metadata import version

            return exp.Literal.string(f"PythonSnowpark {version('snowflake-snowpark-python')}")
        case "GET_DDL":
            from snowpipe_ml.local.definitions import get_ddl

            return exp.Literal.string(get_ddl(connection, *(str(_literal(connection, a)) for a in arguments)))
        case "CURRENT_VERSION":
            return exp.Literal.string("embedded")
        case "CURRENT_ACCOUNT" | "CURRENT_USER" | "CURRENT_ACCOUNT_NAME" | "CURRENT_ORGANIZATION_NAME":
            return exp.Literal.string("LOCAL")
        case "SYSDATE":
            return exp.maybe_parse(
                "CAST(current_timestamp AT TIME ZONE 'UTC' AS TIMESTAMP)", dialect="duckdb"
            )
        case "HASH":
            raise errors.UnsupportedError("HASH")
    from snowpipe_ml.local.python.calls import scalar_call

    return scalar_call(node, connection)


__all__ = ["empty_relation", "expand_relations", "system_function"]
