"""Databases and schemas: CREATE, CLONE, ALTER, DROP and SHOW.

https://docs.snowflake.com/en/sql-reference/sql/create-clone
"""

from __future__ import annotations

from snowpipe_ml.local.catalog.kinds import clone_objects, drop_objects
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import CATALOG, quoted
from snowpipe_ml.local.core.reserved import check_names
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import retry_conflicts
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements.scope import Scope, like
from snowpipe_ml.local.statements.shows import STAMP


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
    if source is not None:
        check_names(source)
        if source not in session.storage.databases():
            raise errors.missing("Database", source)
    if there:
        if not replace:
            raise errors.exists(name)
        session.storage.drop_database(name)
    session.storage.create_database(name)
    if source is not None:
        for (schema,) in session.duck.execute(
            "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND NOT internal", [source]
        ).fetchall():
            if schema not in (CATALOG, "main"):
                session.duck.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name, schema)}")
                clone_objects(session, (source, schema), (name, schema))
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
        session.storage.drop_database(name)
    return dropped(name)


@command("CREATE SCHEMA")
def create_schema(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TRANSIENT] SCHEMA [IF NOT EXISTS] name``."""
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
    reader.options()
    reader.end()
    if name[-1].upper() in (CATALOG, "MAIN"):
        raise errors.UnsupportedError(f"a schema named {name[-1]!r}")
    check_names(database)
    origin = (source[0] if len(source) == 2 else str(session.database), source[-1]) if source else None
    if origin is not None:
        check_names(*origin)
        if not _schema_exists(session, *origin):
            raise errors.missing("Schema", ".".join(origin))
    if _schema_exists(session, database, name[-1]):
        if lenient:
            return status(f"{name[-1]} already exists, statement succeeded.")
        if not modifiers.replace:
            raise errors.exists(name[-1])
        _drop_schema(session, database, name[-1])
    retry_conflicts(lambda: session.duck.execute(f"CREATE SCHEMA {quoted(database, name[-1])}"))
    if origin is not None:
        clone_objects(session, origin, (database, name[-1]))
    session.use(database, name[-1])
    return status(f"Schema {name[-1]} successfully created.")


@command("ALTER SCHEMA", "ALTER DATABASE")
def alter_schema(statement: Statement) -> Result:
    """``ALTER SCHEMA|DATABASE [IF EXISTS] [name] SET key = value | UNSET key``: accepted, no effect."""
    session, reader = statement.session, statement.reader
    reader.expect("ALTER")
    kind = reader.next().upper
    lenient = reader.accept("IF", "EXISTS")
    if not (reader.looking_at("SET") or reader.looking_at("UNSET")):
        name = reader.name()
        database = name[0] if len(name) == 2 or kind == "DATABASE" else session.database
        there = database in session.storage.databases() and (
            kind == "DATABASE" or _schema_exists(session, str(database), name[-1])
        )
        if not there and not lenient:
            raise errors.missing(kind.capitalize(), ".".join(name))
    if not (reader.accept("SET") or reader.accept("UNSET")):
        raise errors.UnsupportedError(f"ALTER {kind} ... {reader.peek().upper}")
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
    if not _schema_exists(session, database, name[-1]):
        if lenient:
            return already_dropped(name[-1])
        raise errors.missing("Schema", ".".join((database, name[-1])))
    _drop_schema(session, database, name[-1])
    return dropped(name[-1])


def _schema_exists(session: Session, database: str, schema: str) -> bool:
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
    retry_conflicts(lambda: session.duck.execute(f"DROP SCHEMA {quoted(database, schema)} CASCADE"))
    drop_objects(session, database, schema)


@command("SHOW DATABASES", "SHOW TERSE DATABASES")
def show_databases(statement: Statement) -> Result:
    """``SHOW DATABASES``."""
    scope = Scope.of(statement, "DATABASES")
    names = [name for name in statement.session.storage.databases() if like(name, scope.pattern)]
    return rows(
        [("created_on", STAMP), ("name", "VARCHAR"), ("is_current", "VARCHAR"), ("owner", "VARCHAR")],
        [(None, name, "Y" if name == statement.session.database else "N", "SYSADMIN") for name in names],
    )


@command("SHOW SCHEMAS", "SHOW TERSE SCHEMAS")
def show_schemas(statement: Statement) -> Result:
    """``SHOW SCHEMAS [IN DATABASE name]``."""
    scope = Scope.of(statement, "SCHEMAS")
    session = statement.session
    if getattr(scope, "name", None):
        scope.database = scope.name[-1]
    found = session.duck.execute(
        "SELECT database_name, schema_name FROM duckdb_schemas() WHERE NOT internal ORDER BY 1, 2"
    ).fetchall()
    kept = [
        (None, schema, database)
        for database, schema in found
        if scope.database in (None, database)
        and database in session.storage.databases()
        and schema not in (CATALOG, "main")
        and like(schema, scope.pattern)
    ]
    return rows([("created_on", STAMP), ("name", "VARCHAR"), ("database_name", "VARCHAR")], kept)
