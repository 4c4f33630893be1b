"""SHOW and DESCRIBE."""

from __future__ import annotations

import json
from collections.abc import Sequence

from snowpipe_ml.local.catalog.columns import all_columns, keys_of, stored_columns
from snowpipe_ml.local.catalog.properties import CLUSTER_BY, DYNAMIC, TEXT, created_on, is_secure, properties
from snowpipe_ml.local.catalog.versions import CHANGE_TRACKING, retention
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import ACCOUNT, MACROS, quoted
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import MAX_BINARY, MAX_VARCHAR, Column
from snowpipe_ml.local.core.values import Row
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.documented import unserved
from snowpipe_ml.local.statements.listing import OWNER, listing
from snowpipe_ml.local.statements.scope import Scope, like

_TABLES = {
    "created_on": None,
    "name": None,
    "database_name": None,
    "schema_name": None,
    "kind": "TABLE",
    "comment": "",
    "cluster_by": "",
    "rows": 0,
    "bytes": None,
    "owner": OWNER,
    "retention_time": "1",
    "automatic_clustering": "OFF",
    "change_tracking": "OFF",
    "search_optimization": "OFF",
    "search_optimization_progress": None,
    "search_optimization_bytes": None,
    "is_external": "N",
    "enable_schema_evolution": "N",
    "owner_role_type": "ROLE",
    "is_event": "N",
    "budget": None,
    "is_hybrid": "N",
    "is_iceberg": "N",
    "is_dynamic": "N",
    "is_immutable": "N",
}
_OBJECTS = {
    **{name: _TABLES[name] for name in list(_TABLES)[:11]},
    "owner_role_type": "ROLE",
    "budget": None,
    "is_hybrid": "N",
    "is_dynamic": "N",
    "is_iceberg": "N",
}
_VIEWS = {
    "created_on": None,
    "name": None,
    "reserved": "",
    "database_name": None,
    "schema_name": None,
    "owner": OWNER,
    "comment": "",
    "text": "",
    "is_secure": "false",
    "is_materialized": "false",
    "owner_role_type": "ROLE",
    "change_tracking": "OFF",
}
_COLUMNS = {
    "table_name": None,
    "schema_name": None,
    "column_name": None,
    "data_type": None,
    "null?": None,
    "default": "",
    "kind": "COLUMN",
    "expression": "",
    "comment": "",
    "database_name": None,
    "autoincrement": "",
    "schema_evolution_record": None,
}
_DESCRIBED = {
    "name": None,
    "type": None,
    "kind": "COLUMN",
    "null?": None,
    "default": None,
    "primary key": "N",
    "unique key": "N",
    "check": None,
    "expression": None,
    "comment": None,
    "policy name": None,
    "privacy domain": None,
    "schema evolution record": None,
}
_COUNTED_TOGETHER = 50
"""How many tables are counted by one statement: the time of planning it grows faster than their number."""


def objects_in(session: Session, scope: Scope, kinds: tuple[str, ...]) -> list[Row]:
    """List the tables and views in a scope: database, schema, name, kind, estimated size, comment, SQL, temporary."""
    found = session.duck.execute(
        "SELECT database_name, schema_name, table_name, 'TABLE', estimated_size, comment, NULL, temporary FROM duckdb_tables() "
        "UNION ALL SELECT database_name, schema_name, view_name, 'VIEW', NULL, comment, sql, false FROM duckdb_views() "
        "WHERE NOT internal ORDER BY 1, 2, 3"
    ).fetchall()
    return [
        row
        for row in found
        if row[3] in kinds
        and row[0] not in (ACCOUNT, MACROS, "memory", "temp", "system")
        and scope.keep(*row[:3])
        and not session.hidden(row[:3])
    ][: scope.limit]


def count_rows(session: Session, names: Sequence[Sequence[str]]) -> list[int]:
    """Count the rows of tables; DuckDB's own figure is an estimate."""
    found: list[int] = []
    for start in range(0, len(names), _COUNTED_TOGETHER):
        each = " UNION ALL ".join(
            f"SELECT {place}, COUNT(*) FROM {quoted(*name)}"
            for place, name in enumerate(names[start : start + _COUNTED_TOGETHER])
        )
        found += [count for _, count in sorted(session.duck.execute(each).fetchall())]
    return found


@command("SHOW TABLES", "SHOW TERSE TABLES")
def show_tables(statement: Statement) -> Result:
    """``SHOW [TERSE] TABLES``; row counts are exact."""
    scope = Scope.of(statement, "TABLES")
    return listing(_TABLES, _described(statement.session, scope, ("TABLE",)), terse=scope.terse)


@command("SHOW OBJECTS", "SHOW TERSE OBJECTS")
def show_objects(statement: Statement) -> Result:
    """``SHOW [TERSE] OBJECTS``: tables and views. A transient table has the kind TABLE, on which dbt relies."""
    scope = Scope.of(statement, "OBJECTS")
    found = _described(statement.session, scope, ("TABLE", "VIEW"))
    for row in found:
        if row["kind"] == "TRANSIENT":
            row["kind"] = "TABLE"
    return listing(_OBJECTS, found, terse=scope.terse)


@command("SHOW VIEWS", "SHOW TERSE VIEWS")
def show_views(statement: Statement) -> Result:
    """``SHOW [TERSE] VIEWS``."""
    scope = Scope.of(statement, "VIEWS")
    return listing(_VIEWS, _described(statement.session, scope, ("VIEW",)), terse=scope.terse)


def _described(session: Session, scope: Scope, kinds: tuple[str, ...]) -> list[dict[str, object]]:
    """Return the rows of SHOW for the tables and views of a scope."""
    objects = objects_in(session, scope, kinds)
    tables = [row[:3] for row in objects if row[3] == "TABLE"]
    counts = dict(zip(tables, count_rows(session, tables), strict=True))
    databases = {row[0] for row in objects}
    kept = {database: properties(session, database) for database in databases}
    special = {database: session.table_kinds(database) for database in databases}
    found: list[dict[str, object]] = []
    for database, schema, name, kind, _, comment, *_ in objects:
        known = kept[database].get((schema, name), {})
        found.append(
            {
                "created_on": created_on(known),
                "name": name.rstrip(errors.TWIN),
                "database_name": database,
                "schema_name": schema,
                "kind": special[database].get((schema, name), kind),
                "comment": comment or "",
                "rows": counts.get((database, schema, name), 0),
                "text": known.get(TEXT, ""),
                "is_secure": str(is_secure(known)).lower(),
                "is_dynamic": "Y" if DYNAMIC in known else "N",
                "retention_time": str(retention(session, (database, schema, name))),
                "change_tracking": "ON" if known.get(CHANGE_TRACKING) == "TRUE" else "OFF",
                "cluster_by": f"LINEAR({known[CLUSTER_BY]})" if CLUSTER_BY in known else "",
            }
        )
    return found


@command("DESCRIBE TABLE", "DESC TABLE", "DESCRIBE VIEW", "DESC VIEW")
def describe_table(statement: Statement) -> Result:
    """``DESCRIBE TABLE|VIEW name [TYPE = COLUMNS]``."""
    reader, session = statement.reader, statement.session
    reader.next()
    reader.next()
    name = session.resolve(reader.name(), "DESCRIBE")
    if reader.accept("TYPE", "=") and not reader.accept("COLUMNS"):
        raise errors.UnsupportedError("DESCRIBE TABLE ... TYPE = STAGE")
    reader.end()
    found = stored_columns(session, name)
    if not found:
        raise errors.missing("Table", ".".join(name))
    keys = keys_of(session, name)
    return listing(
        _DESCRIBED,
        [
            {
                "name": stored.name,
                "type": stored.type,
                "null?": "Y" if stored.column.nullable else "N",
                "default": stored.shown_default,
                "primary key": "Y" if stored.name in keys.primary else "N",
                "unique key": "Y" if any(stored.name in columns for columns in keys.unique) else "N",
                "comment": stored.comment,
            }
            for stored in found
        ],
    )


@command("SHOW COLUMNS")
def show_columns(statement: Statement) -> Result:
    """``SHOW COLUMNS [LIKE 'x'] [IN ACCOUNT | DATABASE x | SCHEMA x | [TABLE | VIEW] x]``."""
    session, reader = statement.session, statement.reader
    reader.expect("SHOW", "COLUMNS")
    pattern = reader.string() if reader.accept("LIKE") else "%"
    if reader.looking_at("IN") and reader.peek(1).upper not in ("ACCOUNT", "DATABASE", "SCHEMA"):
        reader.next()
        reader.accept("TABLE") or reader.accept("VIEW")
        name = session.resolve(reader.name(), "SHOW COLUMNS")
        pattern = reader.string() if reader.accept("LIKE") else pattern
        reader.end()
        columns = all_columns(session, *name)
        if not columns:
            raise errors.missing("Table", ".".join(name))
    else:
        scope = Scope(session, reader)
        pattern = scope.pattern if pattern == "%" else pattern
        scope.pattern = "%"
        tables = {(row[0], row[1], row[2]) for row in objects_in(session, scope, ("TABLE", "VIEW"))}
        databases = sorted({database for database, _, _ in tables})
        listed = [column for database in databases for column in all_columns(session, database)]
        columns = [(table, stored) for table, stored in listed if table in tables]
    found = [
        {
            "table_name": table[2],
            "schema_name": table[1],
            "column_name": stored.name,
            "data_type": _data_type(stored.column),
            "null?": "true" if stored.column.nullable else "NOT_NULL",
            "default": "" if stored.identity else stored.shown_default or "",
            "comment": stored.comment or "",
            "database_name": table[0],
            "autoincrement": stored.shown_default if stored.identity else "",
        }
        for table, stored in columns
        if like(stored.name, pattern)
    ]
    return listing(_COLUMNS, found)


def _data_type(column: Column) -> str:
    """Return the type of a column as SHOW COLUMNS prints it, in JSON."""
    about = column.metadata
    kind = column.snowflake.partition("(")[0]
    shown: dict[str, object] = {
        "type": {"NUMBER": "FIXED", "FLOAT": "REAL", "VARCHAR": "TEXT"}.get(kind, kind)
    }
    if kind == "VARCHAR":
        length = column.length or MAX_VARCHAR
        shown |= {"length": length, "byteLength": min(4 * length, MAX_VARCHAR)}
    elif kind == "BINARY":
        shown |= {"length": MAX_BINARY, "byteLength": MAX_BINARY}
    elif kind == "NUMBER" or kind.startswith("TIME"):
        shown |= {"precision": about.precision or 0, "scale": about.scale}
    shown["nullable"] = column.nullable
    if kind in ("VARCHAR", "BINARY"):
        shown["fixed"] = kind == "BINARY"
    return json.dumps(shown, separators=(",", ":"))


@command("SHOW", "DESCRIBE", "DESC")
def show_other(statement: Statement) -> Result:
    """Refuse any other SHOW or DESCRIBE."""
    words = [token.upper for token in statement.reader.tokens[:8] if token.kind == "word"]
    raise errors.UnsupportedError(unserved(words, None) or " ".join(words[:3]))
