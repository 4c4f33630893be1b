"""SHOW and DESCRIBE."""

from __future__ import annotations

from collections.abc import Sequence

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import ACCOUNT, quoted
from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Row
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.scope import Scope

STAMP = "TIMESTAMP WITH TIME ZONE"


def _objects(session: Session, scope: Scope, kinds: tuple[str, ...]) -> list[Row]:
    found = session.duck.execute(
        "SELECT database_name, schema_name, table_name, 'TABLE', estimated_size, comment, NULL, temporary FROM duckdb_tables() "
        "UNION ALL SELECT database_name, schema_name, view_name, 'VIEW', NULL, comment, sql, false FROM duckdb_views() "
        "WHERE NOT internal ORDER BY 1, 2, 3"
    ).fetchall()
    return [
        row
        for row in found
        if row[3] in kinds
        and row[0] not in (ACCOUNT, "memory", "temp", "system")
        and scope.keep(*row[:3])
        and not session.hidden(row[:3])
    ][: scope.limit]


def _counts(session: Session, names: Sequence[Sequence[str]]) -> Sequence[int]:
    """Count the rows of tables; DuckDB's own figure is an estimate."""
    if not names:
        return ()
    asked = ", ".join(f"(SELECT COUNT(*) FROM {quoted(*name)})" for name in names)
    found: Sequence[int] = session.duck.execute(f"SELECT {asked}").fetchall()[0]
    return found


@command("SHOW TABLES", "SHOW TERSE TABLES")
def show_tables(statement: Statement) -> Result:
    """``SHOW TABLES``; row counts are exact."""
    scope = Scope.of(statement, "TABLES")
    found = []
    tables = _objects(statement.session, scope, ("TABLE",))
    counts = _counts(statement.session, [row[:3] for row in tables])
    for (database, schema, name, kind, _, comment, _, _), count in zip(tables, counts, strict=True):
        kind = statement.session.table_kind((database, schema, name))
        found.append((None, name, database, schema, kind, comment or "", count, "SYSADMIN"))
    return rows(
        [
            ("created_on", STAMP),
            ("name", "VARCHAR"),
            ("database_name", "VARCHAR"),
            ("schema_name", "VARCHAR"),
            ("kind", "VARCHAR"),
            ("comment", "VARCHAR"),
            ("rows", "BIGINT"),
            ("owner", "VARCHAR"),
        ],
        found,
    )


@command("SHOW OBJECTS", "SHOW TERSE OBJECTS", "SHOW VIEWS", "SHOW TERSE VIEWS")
def show_objects(statement: Statement) -> Result:
    """``SHOW OBJECTS`` (tables and views) and ``SHOW VIEWS``."""
    views = "VIEWS" in (token.upper for token in statement.reader.tokens[:3])
    scope = Scope.of(statement, "VIEWS" if views else "OBJECTS")
    objects = _objects(statement.session, scope, ("VIEW",) if views else ("TABLE", "VIEW"))
    tables = [row[:3] for row in objects if row[3] == "TABLE"]
    counts = dict(zip(tables, _counts(statement.session, tables), strict=True))
    found = [
        (
            None,
            name,
            database,
            schema,
            kind,
            comment or "",
            counts.get((database, schema, name), 0),
            "SYSADMIN",
        )
        for database, schema, name, kind, _, comment, _, _ in objects
    ]
    return rows(
        [
            ("created_on", STAMP),
            ("name", "VARCHAR"),
            ("database_name", "VARCHAR"),
            ("schema_name", "VARCHAR"),
            ("kind", "VARCHAR"),
            ("comment", "VARCHAR"),
            ("rows", "BIGINT"),
            ("owner", "VARCHAR"),
        ],
        found,
    )


@command("SHOW COLUMNS", "DESCRIBE TABLE", "DESC TABLE", "DESCRIBE VIEW", "DESC VIEW")
def describe_table(statement: Statement) -> Result:
    """``DESCRIBE TABLE|VIEW name`` and ``SHOW COLUMNS IN [TABLE|VIEW] name``."""
    reader, session = statement.reader, statement.session
    if reader.accept("SHOW", "COLUMNS"):
        reader.expect("IN")
        reader.accept("TABLE") or reader.accept("VIEW")
    else:
        reader.next()
        reader.next()
    name = session.resolve(reader.name(), "DESCRIBE")
    reader.end()
    found = stored_columns(session, name)
    if not found:
        raise errors.missing("Table", ".".join(name))
    shown = [
        (
            stored.name,
            stored.type,
            "COLUMN",
            "Y" if stored.column.nullable else "N",
            stored.default
            if stored.identity is None
            else "IDENTITY START {} INCREMENT {} NOORDER".format(*stored.identity),
            stored.comment,
        )
        for stored in found
    ]
    return rows(
        [
            ("name", "VARCHAR"),
            ("type", "VARCHAR"),
            ("kind", "VARCHAR"),
            ("null?", "VARCHAR"),
            ("default", "VARCHAR"),
            ("comment", "VARCHAR"),
        ],
        shown,
    )


@command("SHOW", "DESCRIBE", "DESC")
def show_other(statement: Statement) -> Result:
    """Refuse any other SHOW or DESCRIBE."""
    words = " ".join(token.upper for token in statement.reader.tokens[:3] if token.kind == "word")
    raise errors.UnsupportedError(words)
