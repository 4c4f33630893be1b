"""INFORMATION_SCHEMA and its table functions as relations in a query."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.statements.information_schema import UNSERVED, query_history, tag_references, view
from snowpipe_ml.local.translate.arrow_relation import arrow_relation, replace_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.registry import table_function, table_relation

_MOST_QUERIES = 10_000


@table_relation("INFORMATION_SCHEMA")
def _information_schema(table: exp.Table, compiler: Compiler) -> None:
    session = compiler.session
    database = table.catalog or session.database
    if not database:
        raise errors.no_database("SELECT")
    name = table.name.upper()
    columns, data = view(session, database, name)
    select = table.parent_select
    for column in select.find_all(exp.Column) if select is not None else ():
        if column.name.upper() in UNSERVED.get(name, ()):
            raise errors.UnsupportedError(f"the column {column.name.upper()} of INFORMATION_SCHEMA.{name}")
    replace_relation(table, arrow_relation(compiler, columns, data))


@table_function("TAG_REFERENCES")
def _tag_references(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.TAG_REFERENCES('object', 'domain'))``."""
    session = compiler.session
    columns, table = tag_references(
        session, str(constant(session, arguments[0])), str(constant(session, arguments[1]))
    )
    return arrow_relation(compiler, columns, table)


@table_function("QUERY_HISTORY")
def _query_history(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.QUERY_HISTORY([RESULT_LIMIT => n]))``: the history of all sessions.

    https://docs.snowflake.com/en/sql-reference/functions/query_history
    """
    return _history(arguments, compiler, {})


@table_function("QUERY_HISTORY_BY_SESSION")
def _session_history(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION([SESSION_ID => n], [RESULT_LIMIT => n]))``."""
    return _history(arguments, compiler, {"SESSION_ID": compiler.session.session_id})


@table_function("QUERY_HISTORY_BY_USER")
def _user_history(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_USER([USER_NAME => 'x'], [RESULT_LIMIT => n]))``."""
    return _history(arguments, compiler, {"USER_NAME": "LOCAL"})


@table_function("QUERY_HISTORY_BY_WAREHOUSE")
def _warehouse_history(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_WAREHOUSE([WAREHOUSE_NAME => 'x'], [RESULT_LIMIT => n]))``."""
    return _history(arguments, compiler, {"WAREHOUSE_NAME": compiler.session.warehouse})


def _history(arguments: list[exp.Expr], compiler: Compiler, only: Mapping[str, str | int | None]) -> exp.Expr:
    """Return the statements of which a column has a value, by default or as an argument of its name says."""
    limit, wanted = 100, dict(only)
    for argument in arguments:
        name = argument.name.upper() if isinstance(argument, exp.Kwarg) else ""
        if name == "RESULT_LIMIT":
            limit = int(constant(compiler.session, argument.expression))
        elif name not in only:
            raise errors.UnsupportedError(f"QUERY_HISTORY with {name or 'an argument without a name'}")
        elif not argument.sql().upper().partition("CURRENT_")[2].startswith(name[:4]):  # the default
            value = constant(compiler.session, argument.expression)
            wanted[name] = int(value) if name == "SESSION_ID" else str(value).upper()
    if not 1 <= limit <= _MOST_QUERIES:
        raise errors.error(1044, "42P13", f"RESULT_LIMIT must be between 1 and {_MOST_QUERIES}")
    columns, table = query_history(compiler.session, wanted, limit)
    return arrow_relation(compiler, columns, table)
