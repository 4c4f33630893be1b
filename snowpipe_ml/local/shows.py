"""SHOW and DESCRIBE."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from snowpipe_ml.local import errors
from snowpipe_ml.local.columns import stored_columns
from snowpipe_ml.local.statements import Result, Statement, command, rows
from snowpipe_ml.local.storage import ACCOUNT, CATALOG, quoted

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.reader import Reader

_STAMP = "TIMESTAMP WITH TIME ZONE"


def like(text: str, pattern: str) -> bool:
    """Return whether a name fits a LIKE pattern, upper and lower case alike."""
    regex, escaped = "", False
    for character in pattern:
        if escaped or character not in "%_\\":
            regex += re.escape(character)
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            regex += ".*" if character == "%" else "."
    return re.fullmatch(regex, text, re.I | re.S) is not None


class Scope:
    """``[LIKE 'x'] [IN [ACCOUNT|DATABASE|SCHEMA] name] [LIMIT n]`` of a SHOW statement."""

    def __init__(self, connection: Connection, reader: Reader) -> None:
        self.pattern = "%"
        self.database, self.schema = connection.database, connection.schema
        self.limit: int | None = None
        if reader.accept("HISTORY"):
            raise errors.UnsupportedError("SHOW ... HISTORY")
        if reader.accept("LIKE"):
            self.pattern = reader.string()
        if reader.accept("IN"):
            if reader.accept("ACCOUNT"):
                self.database = self.schema = None
            elif reader.accept("DATABASE"):
                self.schema = None
                if not reader.done and reader.peek().upper not in ("LIKE", "LIMIT", "STARTS"):
                    (self.database,) = reader.name()
            else:
                reader.accept("SCHEMA") or reader.accept("TABLE") or reader.accept("VIEW")
                self.name = reader.name()
                self.database = self.name[0] if len(self.name) > 1 else connection.database
                self.schema = self.name[-1]
        if reader.accept("LIKE"):
            self.pattern = reader.string()
        if reader.accept("LIMIT"):
            self.limit = int(reader.value())
        reader.end()

    @classmethod
    def of(cls, statement: Statement, *words: str) -> Scope:
        """Read ``SHOW [TERSE] words`` and the scope behind it."""
        statement.reader.expect("SHOW")
        statement.reader.accept("TERSE")
        statement.reader.expect(*words)
        return cls(statement.connection, statement.reader)

    def keep(self, database: str, schema: str, name: str) -> bool:
        """Return whether an object is to be shown."""
        return (
            self.database in (None, database)
            and self.schema in (None, schema)
            and schema not in (CATALOG, "main")
            and like(name, self.pattern)
        )


def _objects(connection: Connection, scope: Scope, kinds: tuple[str, ...]) -> list[tuple[Any, ...]]:
    found = connection.duck.execute(
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
        and not connection.hidden(row[:3])
    ][: scope.limit]


def _counts(connection: Connection, names: Sequence[Sequence[str]]) -> Sequence[int]:
    """How many rows tables have; DuckDB's own figure is an estimate."""
    if not names:
        return ()
    asked = ", ".join(f"(SELECT COUNT(*) FROM {quoted(*name)})" for name in names)
    found: Sequence[int] = connection.duck.execute(f"SELECT {asked}").fetchall()[0]
    return found


@command("SHOW TABLES", "SHOW TERSE TABLES")
def show_tables(statement: Statement) -> Result:
    """``SHOW TABLES``; the row count is counted, not estimated."""
    scope = Scope.of(statement, "TABLES")
    found = []
    tables = _objects(statement.connection, scope, ("TABLE",))
    counts = _counts(statement.connection, [row[:3] for row in tables])
    for (database, schema, name, kind, _, comment, _, _), count in zip(tables, counts, strict=True):
        kind = statement.connection.table_kind((database, schema, name))
        found.append((None, name, database, schema, kind, comment or "", count, "SYSADMIN"))
    return rows(
        [
            ("created_on", _STAMP),
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
    objects = _objects(statement.connection, scope, ("VIEW",) if views else ("TABLE", "VIEW"))
    tables = [row[:3] for row in objects if row[3] == "TABLE"]
    counts = dict(zip(tables, _counts(statement.connection, tables), strict=True))
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
            ("created_on", _STAMP),
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


@command("SHOW DATABASES", "SHOW TERSE DATABASES")
def show_databases(statement: Statement) -> Result:
    """``SHOW DATABASES``."""
    scope = Scope.of(statement, "DATABASES")
    names = [name for name in statement.connection.storage.databases() if like(name, scope.pattern)]
    return rows(
        [("created_on", _STAMP), ("name", "VARCHAR"), ("is_current", "VARCHAR"), ("owner", "VARCHAR")],
        [(None, name, "Y" if name == statement.connection.database else "N", "SYSADMIN") for name in names],
    )


@command("SHOW SCHEMAS", "SHOW TERSE SCHEMAS")
def show_schemas(statement: Statement) -> Result:
    """``SHOW SCHEMAS [IN DATABASE name]``."""
    scope = Scope.of(statement, "SCHEMAS")
    connection = statement.connection
    if getattr(scope, "name", None):
        scope.database = scope.name[-1]
    found = connection.duck.execute(
        "SELECT database_name, schema_name FROM duckdb_schemas() WHERE NOT internal ORDER BY 1, 2"
    ).fetchall()
    kept = [
        (None, schema, database)
        for database, schema in found
        if scope.database in (None, database)
        and database in connection.storage.databases()
        and schema not in (CATALOG, "main")
        and like(schema, scope.pattern)
    ]
    return rows([("created_on", _STAMP), ("name", "VARCHAR"), ("database_name", "VARCHAR")], kept)


@command("SHOW WAREHOUSES")
def show_warehouses(statement: Statement) -> Result:
    """``SHOW WAREHOUSES``: what was declared; here they are names and settings."""
    scope = Scope.of(statement, "WAREHOUSES")
    found = statement.connection.duck.execute(
        f"SELECT name, options, state, created_on FROM {ACCOUNT}.{CATALOG}.WAREHOUSES ORDER BY name"
    ).fetchall()
    shown = []
    for name, options_json, state, created in found:
        if like(name, scope.pattern):
            options = json.loads(options_json)
            size = str(options.get("WAREHOUSE_SIZE", "XSMALL"))
            shown.append(
                (
                    name,
                    state,
                    str(options.get("WAREHOUSE_TYPE", "STANDARD")),
                    size,
                    int(options.get("AUTO_SUSPEND") or 600),
                    str(options.get("RESOURCE_CONSTRAINT", "")),
                    str(options.get("COMMENT", "")),
                    created,
                )
            )
    return rows(
        [
            ("name", "VARCHAR"),
            ("state", "VARCHAR"),
            ("type", "VARCHAR"),
            ("size", "VARCHAR"),
            ("auto_suspend", "BIGINT"),
            ("resource_constraint", "VARCHAR"),
            ("comment", "VARCHAR"),
            ("created_on", _STAMP),
        ],
        shown,
    )


@command("SHOW ROLES", "SHOW GRANTS")
def show_roles(statement: Statement) -> Result:
    """``SHOW ROLES`` and ``SHOW GRANTS [TO ROLE name]``."""
    reader, duck = statement.reader, statement.connection.duck
    reader.expect("SHOW")
    if reader.accept("ROLES"):
        found = duck.execute(
            f"SELECT created_on, name, comment FROM {ACCOUNT}.{CATALOG}.ROLES ORDER BY name"
        ).fetchall()
        return rows([("created_on", _STAMP), ("name", "VARCHAR"), ("comment", "VARCHAR")], found)
    reader.expect("GRANTS")
    role = reader.name()[0] if reader.accept("TO", "ROLE") else None
    reader.end()
    found = duck.execute(
        f"SELECT created_on, privilege, granted_on, name, 'ROLE', grantee FROM {ACCOUNT}.{CATALOG}.GRANTS "
        "WHERE coalesce(grantee = ?, true) ORDER BY 4, 2",
        [role],
    ).fetchall()
    return rows(
        [
            ("created_on", _STAMP),
            ("privilege", "VARCHAR"),
            ("granted_on", "VARCHAR"),
            ("name", "VARCHAR"),
            ("granted_to", "VARCHAR"),
            ("grantee_name", "VARCHAR"),
        ],
        found,
    )


def _catalog_rows(statement: Statement, scope: Scope, table: str, columns: str) -> list[tuple[Any, ...]]:
    connection = statement.connection
    found = []
    for database in connection.storage.databases():
        for row in connection.duck.execute(
            f"SELECT created_on, name, schema_name, {columns} FROM {connection.catalog(database, table)} ORDER BY 3, 2"
        ).fetchall():
            if scope.keep(database, row[2], row[1]):
                found.append((row[0], row[1], database, *row[2:]))
    return found


@command("SHOW STAGES")
def show_stages(statement: Statement) -> Result:
    """``SHOW STAGES``."""
    found = _catalog_rows(
        statement,
        Scope.of(statement, "STAGES"),
        "STAGES",
        "coalesce(url, ''), coalesce(comment, ''), CASE WHEN url IS NULL THEN 'INTERNAL' ELSE 'EXTERNAL' END",
    )
    return rows(
        [
            ("created_on", _STAMP),
            ("name", "VARCHAR"),
            ("database_name", "VARCHAR"),
            ("schema_name", "VARCHAR"),
            ("url", "VARCHAR"),
            ("comment", "VARCHAR"),
            ("type", "VARCHAR"),
        ],
        found,
    )


@command("SHOW FILE FORMATS")
def show_file_formats(statement: Statement) -> Result:
    """``SHOW FILE FORMATS``."""
    found = _catalog_rows(
        statement,
        Scope.of(statement, "FILE", "FORMATS"),
        "FILE_FORMATS",
        "coalesce(json_extract_string(options, '$.TYPE'), 'CSV'), options::VARCHAR",
    )
    return rows(
        [
            ("created_on", _STAMP),
            ("name", "VARCHAR"),
            ("database_name", "VARCHAR"),
            ("schema_name", "VARCHAR"),
            ("type", "VARCHAR"),
            ("format_options", "VARCHAR"),
        ],
        found,
    )


@command("SHOW TAGS")
def show_tags(statement: Statement) -> Result:
    """``SHOW TAGS``."""
    found = _catalog_rows(
        statement, Scope.of(statement, "TAGS"), "TAGS", "coalesce(comment, ''), allowed::VARCHAR"
    )
    return rows(
        [
            ("created_on", _STAMP),
            ("name", "VARCHAR"),
            ("database_name", "VARCHAR"),
            ("schema_name", "VARCHAR"),
            ("comment", "VARCHAR"),
            ("allowed_values", "VARCHAR"),
        ],
        found,
    )


@command("SHOW FUNCTIONS", "SHOW USER FUNCTIONS", "SHOW PROCEDURES")
def show_functions(statement: Statement) -> Result:
    """``SHOW [USER] FUNCTIONS`` and ``SHOW PROCEDURES``: those that users created."""
    reader = statement.reader
    reader.expect("SHOW")
    reader.accept("USER")
    kind = reader.next().upper.removesuffix("S")
    scope = Scope(statement.connection, reader)
    found = []
    for created, name, database, schema, signature, text in _catalog_rows(
        statement, scope, "FUNCTIONS", "signature, definition"
    ):
        definition = json.loads(text)
        if (definition["kind"] == "PROCEDURE") == (kind == "PROCEDURE"):
            returns = definition["returns"] or "TABLE (" + ", ".join(t for _, t in definition["table"]) + ")"
            arguments = definition["arguments"]
            found.append(
                (
                    created,
                    name,
                    schema,
                    "N",
                    "Y" if definition["kind"] == "AGGREGATE" else "N",
                    "N",
                    sum(a["default"] is None for a in arguments),
                    len(arguments),
                    f"{name}{signature} RETURN {returns}",
                    definition["comment"] or f"user-defined {kind.lower()}",
                    database,
                    "N" if definition["returns"] else "Y",
                    "N",
                    definition["language"],
                )
            )
    text, number = "VARCHAR", "BIGINT"
    return rows(
        [
            ("created_on", _STAMP),
            ("name", text),
            ("schema_name", text),
            ("is_builtin", text),
            ("is_aggregate", text),
            ("is_ansi", text),
            ("min_num_arguments", number),
            ("max_num_arguments", number),
            ("arguments", text),
            ("description", text),
            ("catalog_name", text),
            ("is_table_function", text),
            ("is_secure", text),
            ("language", text),
        ],
        found,
    )


@command("SHOW COLUMNS", "DESCRIBE TABLE", "DESC TABLE", "DESCRIBE VIEW", "DESC VIEW")
def describe_table(statement: Statement) -> Result:
    """``DESCRIBE TABLE|VIEW name`` and ``SHOW COLUMNS IN [TABLE|VIEW] name``."""
    reader, connection = statement.reader, statement.connection
    if reader.accept("SHOW", "COLUMNS"):
        reader.expect("IN")
        reader.accept("TABLE") or reader.accept("VIEW")
    else:
        reader.next()
        reader.next()
    name = connection.resolve(reader.name(), "DESCRIBE")
    reader.end()
    found = stored_columns(connection, name)
    if not found:
        raise errors.missing("Table", ".".join(name))
    shown = [
        (
            stored.name,
            stored.column.snowflake,
            "COLUMN",
            "Y" if stored.column.nullable else "N",
            stored.default,
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


@command("DESCRIBE FILE FORMAT", "DESC FILE FORMAT", "DESCRIBE STAGE", "DESC STAGE")
def describe_file_format(statement: Statement) -> Result:
    """``DESCRIBE FILE FORMAT|STAGE name``: its options, and the defaults of the others."""
    from snowpipe_ml.local.stages import FORMAT_DEFAULTS, file_format, named_stage

    reader, connection = statement.reader, statement.connection
    reader.next()
    names: tuple[str, ...] = ("property", "property_type", "property_value", "property_default")
    if reader.accept("STAGE"):
        stage = named_stage(connection, reader.name())
        reader.end()
        options: dict[str, Any] = stage.options.get("FILE_FORMAT") or {}
        lead: tuple[str, ...] = ("STAGE_FILE_FORMAT",)
        location = json.dumps([stage.label]) if stage.external else ""
        more = [("STAGE_LOCATION", "URL", "String", location, "")]
        names = ("parent_property", *names)
    else:
        reader.expect("FILE", "FORMAT")
        options = file_format(
            connection, ".".join(f'"{part}"' for part in connection.resolve(reader.name())), None
        )
        reader.end()
        lead, more = (), []
    kind = str(options.get("TYPE") or "CSV").upper()
    found: list[tuple[str, ...]] = []
    for key, default in {
        "TYPE": "CSV",
        **FORMAT_DEFAULTS.get(kind, {}),
        **dict.fromkeys(set(options), ""),
    }.items():
        # The defaults are kept as they are shown; a given text is shown with its escapes.
        default = FORMAT_DEFAULTS.get(kind, {}).get(key, "CSV" if key == "TYPE" else "")
        value = options.get(key, kind if key == "TYPE" else default)
        shown = _escaped(value) if key in options and isinstance(value, str) else _property_text(value)
        found.append((*lead, key, _property_type(value), shown, _property_text(default)))
    return rows([(name, "VARCHAR") for name in names], [*found, *more])


def _property_type(value: Any) -> str:
    return (
        "Boolean"
        if isinstance(value, bool)
        else "Integer"
        if isinstance(value, int)
        else "List"
        if isinstance(value, list)
        else "String"
    )


def _property_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return (
        "[" + ", ".join(str(item) for item in value) + "]"
        if isinstance(value, list)
        else str(value if value is not None else "NONE")
    )


def _escaped(text: str) -> str:
    r"""As DESCRIBE writes a text: the mark ``\"`` of a format is shown with its backslash."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


@command("SHOW", "DESCRIBE", "DESC")
def show_other(statement: Statement) -> Result:
    """Any other SHOW or DESCRIBE is refused."""
    words = " ".join(token.upper for token in statement.reader.tokens[:3] if token.kind == "word")
    raise errors.UnsupportedError(words)
