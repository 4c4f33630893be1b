"""GET_DDL: the statement that recreates an object."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import StoredColumn, stored_columns
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.python.definition import Definition, read_signature
from snowpipe_ml.local.statements.functions import find_one
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.sql import Identifier


@scalar_function("GET_DDL")
def _get_ddl(call: exp.Expr, session: Session) -> exp.Expr:
    """``GET_DDL('TABLE', 'name')`` in a query."""
    return exp.Literal.string(get_ddl(session, *(str(constant(session, a)) for a in call.expressions)))


def get_ddl(session: Session, kind: str, name: str) -> str:
    """Return the DDL of a table, function or procedure: ``GET_DDL('TABLE', 'name')``.

    Raises:
        ProgrammingError: the object does not exist.
        UnsupportedError: the object is of another kind.
    """
    reader = Reader(name)
    kind = kind.upper()
    if kind == "TABLE":
        return _table(session, session.resolve(reader.name()))
    if kind in ("FUNCTION", "PROCEDURE"):
        return _function(kind, find_one(session, kind, reader.name(), read_signature(reader)))
    raise errors.UnsupportedError(f"GET_DDL of a {kind}")


def _table(session: Session, name: Name) -> str:
    found = stored_columns(session, name)
    if not found:
        raise errors.missing("Table", ".".join(name))
    columns = [f"\t{_column(stored)}" for stored in found]
    kind = session.table_kind(name)
    word = "" if kind == "TABLE" else f"{kind} "
    return f"create or replace {word}TABLE {Identifier(name[2]).sql} (\n" + ",\n".join(columns) + "\n);"


def _column(stored: StoredColumn) -> str:
    text = f"{Identifier(stored.name).sql} {stored.column.snowflake}"
    if not stored.column.nullable:
        text += " NOT NULL"
    if stored.identity is not None:
        return f"{text} autoincrement start {stored.identity[0]} increment {stored.identity[1]} noorder"
    return f"{text} DEFAULT {stored.default}" if stored.default else text


def _function(kind: str, definition: Definition) -> str:
    listed = [
        f'"{a.name}" {a.type}' + (f" DEFAULT {a.default}" if a.default is not None else "")
        for a in definition.arguments
    ]
    secure = "SECURE " if definition.options.get("SECURE") else ""
    lines = [
        f'CREATE OR REPLACE {secure}{kind} "{definition.name}"({", ".join(listed)})',
        f"RETURNS {definition.result}",
        f"LANGUAGE {definition.language}",
    ]
    if definition.strict:
        lines.append("STRICT")
    if definition.language == "PYTHON":
        packages = ",".join(f"'{package}'" for package in definition.packages)
        lines += [
            f"RUNTIME_VERSION = '{definition.runtime}'",
            f"PACKAGES = ({packages})",
            f"HANDLER = '{definition.handler}'",
        ]
    if definition.imports:
        lines.append("IMPORTS = (" + ",".join(f"'{path}'" for path in definition.imports) + ")")
    if definition.comment:
        lines.append("COMMENT='" + definition.comment.replace("\\", "\\\\").replace("'", "''") + "'")
    if kind == "PROCEDURE":
        lines.append(f"EXECUTE AS {definition.execute_as}")
    if definition.body is not None:
        lines.append("AS '" + definition.body.replace("'", "''") + "'")
    return "\n".join(lines) + ";"
