"""Databases and schemas: CREATE, CLONE, ALTER, DROP and SHOW.

https://docs.snowflake.com/en/sql-reference/sql/create-clone
"""

from __future__ import annotations

import json

import duckdb

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.dropped import keep_schema, move_schema_notes
from snowpipe_ml.local.catalog.kinds import drop_objects
from snowpipe_ml.local.catalog.properties import (
    COMMENT,
    created_on,
    note_creation,
    properties_of,
    set_property,
)
from snowpipe_ml.local.catalog.versions import RETENTION, retention, retention_setting
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import check_schema
from snowpipe_ml.local.core.names import CATALOG, quoted
from snowpipe_ml.local.core.reserved import check_names
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.clones import clone_schema, fill_database, includes_stages
from snowpipe_ml.local.statements.listing import OWNER, listing
from snowpipe_ml.local.statements.modifiers import (
    Modifiers,
    already_dropped,
    dropped,
    if_not_exists,
    refuse_time_travel,
)
from snowpipe_ml.local.statements.retention import check_retention, set_retention, unset_retention
from snowpipe_ml.local.statements.scope import Scope

_SHARES = {
    "created_on": None,
    "kind": "INBOUND",
    "owner_account": None,
    "name": None,
    "database_name": "",
    "to": "",
    "owner": "",
    "comment": "",
    "listing_global_name": "",
    "secure_objects_only": "",
}
_SCHEMAS = {
    "created_on": None,
    "name": None,
    "is_default": "N",
    "is_current": "N",
    "database_name": None,
    "owner": OWNER,
    "comment": "",
    "options": "",
    "retention_time": "1",
    "owner_role_type": "ROLE",
    "object_visibility": None,
}
_DATABASES = {
    "created_on": None,
    "name": None,
    "is_default": "N",
    "is_current": "N",
    "origin": "",
    "owner": OWNER,
    "comment": "",
    "options": "",
    "retention_time": "1",
    "kind": "STANDARD",
    "owner_role_type": "ROLE",
    "object_visibility": None,
}


@command("CREATE DATABASE")
def create_database(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] DATABASE [IF NOT EXISTS] name [CLONE source | FROM SHARE share]``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("DATABASE")
    lenient = if_not_exists(reader)
    (name,) = reader.name()
    with session.storage.naming((name,)):
        return _create_database(statement, name, replace=modifiers.replace, lenient=lenient)


def _create_database(statement: Statement, name: str, *, replace: bool, lenient: bool) -> Result:
    session, reader = statement.session, statement.reader
    there = name in session.storage.databases()
    if there and lenient:
        return status(f"{name} already exists, statement succeeded.")
    if reader.accept("FROM", "SHARE"):
        return _from_share(statement, name, ".".join(reader.name()))
    source = reader.name()[0] if reader.accept("CLONE") else None
    refuse_time_travel(reader)
    stages = source is not None and includes_stages(reader)
    if source is not None:
        check_names(source)
        if source not in session.storage.databases():
            raise errors.missing("Database", source)
    if there:
        if not replace:
            raise errors.exists(name)
        _drop_database(session, name)
    options = reader.options()
    check_retention(options)
    reader.end()
    try:
        session.storage.create_database(name)
        if there:  # not before: DuckDB runs no statement while the session's current database is missing
            grants.forget_within(session, name)
        fill_database(session, name, source, options, stages=stages)
    except (duckdb.Error, OSError, errors.DiskError) as raised:
        effect = f"the database {name} was dropped and not created again" if there else errors.NOTHING_CHANGED
        failed = raised if isinstance(raised, errors.DiskError) else errors.disk_error(raised, effect)
        if failed is None:
            raise
        session.storage.undo_database(name)
        raise failed from raised
    session.use(name, None)
    return status(f"Database {name} successfully created.")


def _from_share(statement: Statement, name: str, share: str) -> Result:
    """Create a database from the script that replaces a share; shares of other accounts are not available."""
    session = statement.session
    if share not in session.shares:
        raise errors.UnsupportedError(
            f"shares (the database {name} from {share})",
            "Configure another source for this target, such as a file",
        )
    before = session.database, session.schema
    session.storage.create_database(name)
    session.use(name, None)
    for text in session.shares[share]:
        statement.run(text)
    if before[0]:
        session.use(before[0], before[1])
    return status(f"Database {name} successfully created.")


@command("SHOW SHARES")
def show_shares(statement: Statement) -> Result:
    """``SHOW SHARES [LIKE 'x']``: the shares that scripts replace, as shares of other accounts."""
    session = statement.session
    scope = Scope.of(statement, "SHARES")
    names = [name for name in session.shares if scope.named(name.rpartition(".")[2])]
    found = [
        {"name": name.rpartition(".")[2], "owner_account": name.rpartition(".")[0]} for name in sorted(names)
    ]
    return listing(_SHARES, found[: scope.limit])


@command("DROP DATABASE")
def drop_database(statement: Statement) -> Result:
    """``DROP DATABASE [IF EXISTS] name``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("DROP", "DATABASE")
    lenient = reader.accept("IF", "EXISTS")
    (name,) = reader.name()
    with session.storage.naming((name,)):
        if name not in session.storage.databases():
            if lenient:
                return already_dropped(name)
            raise errors.missing("Database", name)
        if session.database == name:
            session.duck.execute("USE memory")
            session.database = session.schema = None
        _drop_database(session, name)
        grants.forget_within(session, name)
    return dropped(name)


def _drop_database(session: Session, name: str) -> None:
    """Drop a database; UNDROP restores it with its privileges."""
    kept = grants.within(session, name)
    session.storage.drop_database(name, retention_setting(session, (name, "", "")) or 0, json.dumps(kept))


@command("CREATE SCHEMA")
def create_schema(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TRANSIENT] SCHEMA [IF NOT EXISTS] name [CLONE source [INCLUDE INTERNAL STAGES]]``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("SCHEMA")
    lenient = if_not_exists(reader)
    name = reader.name()
    database = name[0] if len(name) == 2 else session.database
    if not database:
        raise errors.no_database("CREATE SCHEMA")
    source = reader.name() if reader.accept("CLONE") else None
    refuse_time_travel(reader)
    stages = source is not None and includes_stages(reader)
    reader.accept("WITH", "MANAGED", "ACCESS")
    options = reader.options()
    check_retention(options)
    reader.end()
    if name[-1].upper() in (CATALOG, "MAIN"):
        raise errors.UnsupportedError(f"a schema named {name[-1]!r}")
    check_names(database)
    check_schema(session, database)
    origin = (source[0] if len(source) == 2 else str(session.database), source[-1]) if source else None
    if origin is not None:
        check_names(*origin)
        if not schema_exists(session, *origin):
            raise errors.missing("Schema", ".".join(origin))
    if schema_exists(session, database, name[-1]):
        if lenient:
            return status(f"{name[-1]} already exists, statement succeeded.")
        if modifiers.alter:
            set_property(session, (database, name[-1], ""), COMMENT, text_option(options, "COMMENT"))
            return status(f"Schema {name[-1]} successfully altered.")
        if not modifiers.replace:
            raise errors.exists(name[-1])
        _drop_schema(session, database, name[-1])
    target = database, name[-1]

    def make() -> None:
        with in_transaction(session):
            session.duck.execute(f"CREATE SCHEMA {quoted(*target)}")
            note_creation(session, (*target, ""))
            set_property(session, (*target, ""), COMMENT, text_option(options, "COMMENT"))
            set_retention(session, (*target, ""), options)
            if origin is not None:
                clone_schema(session, origin, target, stages=stages)

    retry_conflicts(session, make)
    session.use(database, name[-1])
    return status(f"Schema {name[-1]} successfully created.")


@command("ALTER SCHEMA", "ALTER DATABASE")
def alter_schema(statement: Statement) -> Result:
    """``ALTER SCHEMA|DATABASE [IF EXISTS] [name] SET key = value | UNSET key``: only COMMENT has an effect."""
    session, reader = statement.session, statement.reader
    reader.expect("ALTER")
    kind = reader.next().upper
    lenient = reader.accept("IF", "EXISTS")
    if reader.looking_at("SET") or reader.looking_at("UNSET"):
        name: tuple[str, ...] = (str(session.database), str(session.schema))[: 1 if kind == "DATABASE" else 2]
    else:
        name = reader.name()
    database = name[0] if len(name) == 2 or kind == "DATABASE" else session.database
    there = database in session.storage.databases() and (
        kind == "DATABASE" or schema_exists(session, str(database), name[-1])
    )
    if not there:
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing(kind.capitalize(), ".".join(name))
    target = (str(database), "" if kind == "DATABASE" else name[-1], "")
    if reader.accept("UNSET"):
        while not reader.done:
            key = reader.identifier()
            if key == COMMENT:
                set_property(session, target, COMMENT, None)
            elif key == RETENTION:
                unset_retention(session, target, [key])
            reader.accept(",")
        return status("Statement executed successfully.")
    if not reader.accept("SET"):
        raise errors.UnsupportedError(f"ALTER {kind} ... {reader.peek().upper}")
    if reader.looking_at("TAG"):
        raise errors.UnsupportedError(f"ALTER {kind} ... SET TAG")
    options = reader.options()
    reader.end()
    check_retention(options)
    set_retention(session, target, options)
    if "COMMENT" in options:
        set_property(session, target, COMMENT, text_option(options, "COMMENT"))
    return status("Statement executed successfully.")


@command("DROP SCHEMA")
def drop_schema(statement: Statement) -> Result:
    """``DROP SCHEMA [IF EXISTS] name [CASCADE]``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("DROP", "SCHEMA")
    lenient = reader.accept("IF", "EXISTS")
    name = reader.name()
    database = name[0] if len(name) == 2 else session.database
    if not database:
        raise errors.no_database("DROP SCHEMA")
    if not schema_exists(session, database, name[-1]):
        if lenient:
            return already_dropped(name[-1])
        raise errors.missing("Schema", ".".join((database, name[-1])))
    _drop_schema(session, database, name[-1])
    return dropped(name[-1])


def schema_exists(session: Session, database: str, schema: str) -> bool:
    """Return whether a database has a schema."""
    return bool(
        session.duck.execute(
            "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?", [database, schema]
        ).fetchone()
    )


def _drop_schema(session: Session, database: str, schema: str) -> None:
    check_names(database, schema)
    if session.database == database and session.schema == schema:
        session.duck.execute(f"USE {quoted(database, 'PUBLIC')}")
        session.schema = "PUBLIC" if schema != "PUBLIC" else None

    kept = grants.within(session, database, schema)

    def run() -> None:
        with in_transaction(session):
            group = keep_schema(session, database, schema, kept)
            if group is not None:
                move_schema_notes(session, database, schema, group)
            session.duck.execute(f"DROP SCHEMA {quoted(database, schema)} CASCADE")
            drop_objects(session, database, schema)

    retry_conflicts(session, run)
    session.storage.retentions.pop(database, None)
    grants.forget_within(session, database, schema)


@command("SHOW DATABASES", "SHOW TERSE DATABASES")
def show_databases(statement: Statement) -> Result:
    """``SHOW [TERSE] DATABASES``."""
    scope = Scope.of(statement, "DATABASES")
    session = statement.session
    names = [name for name in session.storage.databases() if scope.named(name)][: scope.limit]
    found = []
    for name in names:
        known = properties_of(session, (name, "", ""))
        found.append(
            {
                "created_on": created_on(known),
                "name": name,
                "is_current": "Y" if name == session.database else "N",
                "comment": known.get(COMMENT, ""),
                "retention_time": str(retention(session, (name, "", ""))),
                "kind": None if scope.terse else "STANDARD",
            }
        )
    return listing(_DATABASES, found, terse=scope.terse)


@command("SHOW SCHEMAS", "SHOW TERSE SCHEMAS")
def show_schemas(statement: Statement) -> Result:
    """``SHOW [TERSE] SCHEMAS [IN [DATABASE] name]``."""
    scope = Scope.of(statement, "SCHEMAS")
    session = statement.session
    if getattr(scope, "name", None):
        scope.database = scope.name[-1]
    names = session.duck.execute(
        "SELECT database_name, schema_name FROM duckdb_schemas() WHERE NOT internal "
        "UNION ALL SELECT database_name, 'INFORMATION_SCHEMA' FROM duckdb_databases() WHERE NOT internal "
        "ORDER BY 1, 2"
    ).fetchall()
    found = []
    for database, schema in names:
        if (
            scope.database in (None, database)
            and database in session.storage.databases()
            and schema not in (CATALOG, "main")
            and scope.named(schema)
        ):
            known = properties_of(session, (database, schema, ""))
            about = {
                "created_on": created_on(known),
                "name": schema,
                "is_current": "Y" if (database, schema) == (session.database, session.schema) else "N",
                "database_name": database,
                "comment": known.get(COMMENT, ""),
                "retention_time": str(retention(session, (database, schema, ""))),
            }
            if schema == "INFORMATION_SCHEMA":
                about |= {
                    "owner": "",
                    "owner_role_type": "",
                    "comment": "Views describing the contents of schemas in this database",
                }
            found.append(about)
    return listing(_SCHEMAS, found[: scope.limit], terse=scope.terse)
