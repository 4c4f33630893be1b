"""The views of ``INFORMATION_SCHEMA`` that pipelines and Snowpark read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from snowpipe_ml.local.catalog.columns import all_columns
from snowpipe_ml.local.catalog.properties import CLUSTER_BY, COMMENT, TEXT, created_on, is_secure, properties
from snowpipe_ml.local.catalog.versions import retention
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.history import COLUMNS
from snowpipe_ml.local.core.names import CATALOG, Name
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.result import rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.python.packages import installed
from snowpipe_ml.local.statements.listing import OWNER
from snowpipe_ml.local.statements.shows import count_rows
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.packages.channel import channel_name
from snowpipe_ml.sql import DataType

Table = tuple[list[Column], pa.Table]


def view(session: Session, database: str, name: str) -> Table:
    """Return the rows of a view of the information schema.

    Raises:
        UnsupportedError: the view is not supported.
    """
    if name not in _VIEWS:
        raise errors.UnsupportedError(f"the view INFORMATION_SCHEMA.{name}")
    columns, table = _VIEWS[name](session, database)
    names = [column.name for column in columns]
    if session.storage.owners and names[:3] == ["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME"]:
        found = zip(*(table.column(i).to_pylist() for i in range(3)), strict=True)
        table = table.filter(pa.array([not session.hidden(name) for name in found], pa.bool_()))
        shown = [name.rstrip(errors.TWIN) for name in table.column(2).to_pylist()]
        table = table.set_column(2, table.schema.field(2), pa.array(shown, table.schema.field(2).type))
    return columns, table


def _query(session: Session, text: str, parameters: list[object]) -> Table:
    literals = ["'" + str(p).replace("'", "''") + "'" for p in parameters]
    return select(session, text.format(*literals))


_NONE = (
    *("SELF_REFERENCING_COLUMN_NAME", "REFERENCE_GENERATION", "USER_DEFINED_TYPE_CATALOG"),
    *("USER_DEFINED_TYPE_SCHEMA", "USER_DEFINED_TYPE_NAME", "COMMIT_ACTION"),
)
# Columns that Snowflake has and that are not known here.
UNSERVED = {
    "TABLES": frozenset({"BYTES", "LAST_ALTERED", "LAST_DDL", "LAST_DDL_BY"}),
    "VIEWS": frozenset({"LAST_ALTERED", "LAST_DDL", "LAST_DDL_BY"}),
    "SCHEMATA": frozenset({"LAST_ALTERED", "REPLICABLE_WITH_FAILOVER_GROUPS", "OWNER_ROLE_TYPE"}),
    "COLUMNS": frozenset({"CHARACTER_OCTET_LENGTH", "IS_IDENTITY", "IDENTITY_START", "IDENTITY_INCREMENT"}),
}


def _tables(session: Session, database: str) -> Table:
    """Return the tables and views: https://docs.snowflake.com/en/sql-reference/info-schema/tables."""
    found = session.duck.execute(
        "SELECT schema_name, table_name, false, comment, temporary FROM duckdb_tables() "
        f"WHERE database_name = ? AND schema_name <> '{CATALOG}' UNION ALL "
        "SELECT schema_name, view_name, true, comment, false FROM duckdb_views() "
        "WHERE database_name = ? AND NOT internal ORDER BY 1, 2",
        [database, database],
    ).fetchall()
    kinds, kept = session.table_kinds(database), properties(session, database)
    names = [(database, schema, name) for schema, name, is_view, *_ in found if not is_view]
    counts = dict(zip(names, count_rows(session, names), strict=True))
    values: list[tuple[object, ...]] = []
    for schema, name, is_view, comment, _ in found:
        known, kind = kept.get((schema, name), {}), kinds.get((schema, name))
        temporary = kind == "TEMPORARY"
        shown = "VIEW" if is_view else "TEMPORARY TABLE" if temporary else "BASE TABLE"
        cluster = f"LINEAR({known[CLUSTER_BY]})" if CLUSTER_BY in known else None
        days = retention(session, (database, schema, name))
        transient = None if is_view else "YES" if kind == "TRANSIENT" else "NO"
        values.append(
            (
                *(database, schema, name, OWNER, shown, transient, cluster),
                *(
                    counts.get((database, schema, name)),
                    None if is_view else days,
                    created_on(known),
                ),
                *("NO" if is_view else "YES", "YES", "NO", comment, "YES" if temporary else "NO"),
                *("NO",) * 4,
                *(None,) * len(_NONE),
            )
        )
    columns = [
        *_texts("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_OWNER", "TABLE_TYPE", "IS_TRANSIENT"),
        *_texts("CLUSTERING_KEY"),
        *(("ROW_COUNT", "BIGINT"), ("RETENTION_TIME", "BIGINT"), ("CREATED", "TIMESTAMP WITH TIME ZONE")),
        *_texts("IS_INSERTABLE_INTO", "IS_TYPED", "AUTO_CLUSTERING_ON", "COMMENT", "IS_TEMPORARY"),
        *_texts("IS_ICEBERG", "IS_DYNAMIC", "IS_IMMUTABLE", "IS_HYBRID"),
        *_texts(*_NONE),
    ]
    result = rows(columns, values)
    return result.columns, result.table


def _texts(*names: str) -> list[tuple[str, str]]:
    return [(name, "VARCHAR") for name in names]


def _views(session: Session, database: str) -> Table:
    """Return the views: https://docs.snowflake.com/en/sql-reference/info-schema/views."""
    found = session.duck.execute(
        "SELECT schema_name, view_name, comment FROM duckdb_views() "
        "WHERE database_name = ? AND NOT internal ORDER BY 1, 2",
        [database],
    ).fetchall()
    kept = properties(session, database)
    values: list[tuple[object, ...]] = []
    for schema, name, comment in found:
        known = kept.get((schema, name), {})
        secure = "YES" if is_secure(known) else "NO"
        values.append(
            (
                *(database, schema, name, OWNER, known.get(TEXT), "NONE", "NO", "NO"),
                *(secure, created_on(known), comment),
            )
        )
    columns = [
        *_texts("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_OWNER", "VIEW_DEFINITION"),
        *_texts("CHECK_OPTION", "IS_UPDATABLE", "INSERTABLE_INTO", "IS_SECURE"),
        *(("CREATED", "TIMESTAMP WITH TIME ZONE"), ("COMMENT", "VARCHAR")),
    ]
    result = rows(columns, values)
    return result.columns, result.table


def _schemata(session: Session, database: str) -> Table:
    """Return the schemas: https://docs.snowflake.com/en/sql-reference/info-schema/schemata."""
    found = session.duck.execute(
        "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? "
        f"AND schema_name NOT IN ('main', '{CATALOG}') ORDER BY 1",
        [database],
    ).fetchall()
    kept = properties(session, database)
    values = []
    for (schema,) in found:
        known = kept.get((schema, ""), {})
        values.append(
            (
                database,
                schema,
                OWNER,
                "NO",
                "NO",
                retention(session, (database, schema, "")),
                created_on(known),
                known.get(COMMENT),
            )
        )
    columns = [
        *_texts("CATALOG_NAME", "SCHEMA_NAME", "SCHEMA_OWNER", "IS_TRANSIENT", "IS_MANAGED_ACCESS"),
        *(("RETENTION_TIME", "BIGINT"), ("CREATED", "TIMESTAMP WITH TIME ZONE"), ("COMMENT", "VARCHAR")),
    ]
    result = rows(columns, values)
    return result.columns, result.table


def _columns(session: Session, database: str) -> Table:
    values = []
    position: dict[Name, int] = {}
    for name, stored in all_columns(session, database):
        position[name] = position.get(name, 0) + 1
        kind = DataType.parse(stored.type)
        number = kind.parameters if kind.name == "NUMBER" else (None, None)
        sized = kind.parameters[0] if kind.name in ("VARCHAR", "BINARY") else None
        values.append(
            (
                *name,
                stored.name,
                position[name],
                "YES" if stored.column.nullable else "NO",
                kind.name.replace("VARCHAR", "TEXT"),
                stored.default,
                sized,
                *number,
            )
        )
    names = (
        "TABLE_CATALOG",
        "TABLE_SCHEMA",
        "TABLE_NAME",
        "COLUMN_NAME",
        "ORDINAL_POSITION",
        "IS_NULLABLE",
        "DATA_TYPE",
        "COLUMN_DEFAULT",
        "CHARACTER_MAXIMUM_LENGTH",
        "NUMERIC_PRECISION",
        "NUMERIC_SCALE",
    )
    numbers = {"ORDINAL_POSITION", "CHARACTER_MAXIMUM_LENGTH", "NUMERIC_PRECISION", "NUMERIC_SCALE"}
    result = rows([(name, "BIGINT" if name in numbers else "VARCHAR") for name in names], values)
    return result.columns, result.table


def _packages(session: Session, database: str) -> Table:
    """Return the packages that functions may declare: the installed ones, by their channel names.

    This is not the content of Snowflake's channel; see docs/decisions/0006-packages.md.
    """
    values = sorted(
        (channel_name(name), distribution.version, "python", "3.11")
        for name, distribution in installed().items()
    )
    names = ("PACKAGE_NAME", "VERSION", "LANGUAGE", "RUNTIME_VERSION")
    result = rows([(name, "VARCHAR") for name in names], values)
    return result.columns, result.table


def _load_history(session: Session, database: str) -> Table:
    return _query(
        session,
        "SELECT schema_name AS SCHEMA_NAME, file AS FILE_NAME, table_name AS TABLE_NAME, loaded_at AS LAST_LOAD_TIME, "
        "status AS STATUS, row_count AS ROW_COUNT, row_parsed AS ROW_PARSED, error_count AS ERROR_COUNT, "
        f"first_error AS FIRST_ERROR_MESSAGE FROM {session.catalog(database, 'LOADS')} "
        "WHERE loaded_at > current_timestamp - INTERVAL 14 DAY ORDER BY loaded_at",
        [],
    )


_VIEWS: dict[str, Callable[[Session, str], Table]] = {
    "TABLES": _tables,
    "VIEWS": _views,
    "SCHEMATA": _schemata,
    "COLUMNS": _columns,
    "PACKAGES": _packages,
    "LOAD_HISTORY": _load_history,
}


def query_history(session: Session, only: Mapping[str, str | int | None], limit: int) -> Table:
    """Return the statements whose columns have the given values: those that run, then the latest to end."""
    found = [
        row
        for row in session.storage.history.rows()
        if all(row[name] == value for name, value in only.items())
    ]
    running = [row for row in found if row["END_TIME"] is None]
    ended = [row for row in found if row["END_TIME"] is not None]
    ended.sort(key=lambda row: str(row["END_TIME"]), reverse=True)
    kinds = {
        "SESSION_ID": "BIGINT",
        "ERROR_CODE": "BIGINT",
        "TOTAL_ELAPSED_TIME": "BIGINT",
        "START_TIME": "TIMESTAMP WITH TIME ZONE",
        "END_TIME": "TIMESTAMP WITH TIME ZONE",
    }
    shown = [tuple(row.values()) for row in [*running, *ended][:limit]]
    result = rows([(name, kinds.get(name, "VARCHAR")) for name in COLUMNS], shown)
    return result.columns, result.table


def tag_references(session: Session, name: str, domain: str) -> Table:
    """Return the tags of an object: https://docs.snowflake.com/en/sql-reference/functions/tag_references."""
    database, schema, target = session.resolve(Reader(name).name())
    found = session.duck.execute(
        f"SELECT tag_schema, tag_name, tag_value, domain, column_name FROM {session.catalog(database, 'TAG_VALUES')} "
        "WHERE domain = ? AND schema_name = ? AND object_name = ? ORDER BY 1, 2, 5",
        [domain.upper(), schema, target],
    ).fetchall()
    values = [
        (
            database,
            tag_schema,
            tag,
            value,
            "COLUMN" if column else level,
            database,
            schema,
            target,
            level,
            column or None,
        )
        for tag_schema, tag, value, level, column in found
    ]
    names = (
        "TAG_DATABASE",
        "TAG_SCHEMA",
        "TAG_NAME",
        "TAG_VALUE",
        "LEVEL",
        "OBJECT_DATABASE",
        "OBJECT_SCHEMA",
        "OBJECT_NAME",
        "DOMAIN",
        "COLUMN_NAME",
    )
    result = rows([(n, "VARCHAR") for n in names], values)
    return result.columns, result.table
