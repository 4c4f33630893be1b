"""GET_DDL: the statement that would create an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowpipe_ml.local import errors
from snowpipe_ml.local.columns import stored_columns
from snowpipe_ml.local.reader import Reader

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.python.definition import Definition


def get_ddl(connection: Connection, kind: str, name: str) -> str:
    """``GET_DDL('TABLE', 'name')``, of a table, function or procedure.

    Raises:
        ProgrammingError: there is no such object; UnsupportedError for other kinds.
    """
    reader = Reader(name)
    kind = kind.upper()
    if kind == "TABLE":
        return _table(connection, connection.resolve(reader.name()))
    if kind in ("FUNCTION", "PROCEDURE"):
        from snowpipe_ml.local.python.definition import read_signature
        from snowpipe_ml.local.python.statements import find_one

        return _function(kind, find_one(connection, kind, reader.name(), read_signature(reader)))
    raise errors.UnsupportedError(f"GET_DDL of a {kind}")


def _table(connection: Connection, name: tuple[str, str, str]) -> str:
    found = stored_columns(connection, name)
    if not found:
        raise errors.missing("Table", ".".join(name))
    columns = [
        f"\t{stored.name} {stored.column.snowflake}{'' if stored.column.nullable else ' NOT NULL'}"
        f"{f' DEFAULT {stored.default}' if stored.default else ''}"
        for stored in found
    ]
    kind = connection.table_kind(name)
    word = "" if kind == "TABLE" else f"{kind} "
    return f"create or replace {word}TABLE {name[2]} (\n" + ",\n".join(columns) + "\n);"


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
