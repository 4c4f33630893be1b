"""INFORMATION_SCHEMA and its table functions as relations in a query."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.statements.information_schema import query_history, tag_references, view
from snowpipe_ml.local.translate.arrow_relation import arrow_relation, replace_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.registry import table_function, table_relation


@table_relation("INFORMATION_SCHEMA")
def _information_schema(table: exp.Table, compiler: Compiler) -> None:
    session = compiler.session
    database = table.catalog or session.database
    if not database:
        raise errors.no_database("SELECT")
    columns, data = view(session, database, table.name.upper())
    replace_relation(table, arrow_relation(compiler, columns, data))


@table_function("TAG_REFERENCES")
def _tag_references(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.TAG_REFERENCES('object', 'domain'))``."""
    session = compiler.session
    columns, table = tag_references(
        session, str(constant(session, arguments[0])), str(constant(session, arguments[1]))
    )
    return arrow_relation(compiler, columns, table)


@table_function("QUERY_HISTORY", "QUERY_HISTORY_BY_USER", "QUERY_HISTORY_BY_WAREHOUSE")
def _query_history(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.QUERY_HISTORY([RESULT_LIMIT => n]))``: the history of all sessions."""
    return _history(arguments, compiler, None)


@table_function("QUERY_HISTORY_BY_SESSION")
def _session_history(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION([SESSION_ID => n], [RESULT_LIMIT => n]))``."""
    return _history(arguments, compiler, compiler.session.session_id)


def _history(arguments: list[exp.Expr], compiler: Compiler, session_id: int | None) -> exp.Expr:
    limit = 100
    for argument in arguments:
        name = argument.name.upper() if isinstance(argument, exp.Kwarg) else ""
        if name == "RESULT_LIMIT":
            limit = int(constant(compiler.session, argument.expression))
        elif name == "SESSION_ID":
            if not argument.expression.name.upper().startswith("CURRENT_SESSION"):
                session_id = int(constant(compiler.session, argument.expression))
        else:
            raise errors.UnsupportedError(f"QUERY_HISTORY with {name or 'an argument without a name'}")
    columns, table = query_history(compiler.session, session_id, limit)
    return arrow_relation(compiler, columns, table)
