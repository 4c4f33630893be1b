"""Databases and schemas, and what all objects share: modifiers, drop, temporary, comment."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, Any

from snowpipe_ml.local import errors
from snowpipe_ml.local.reader import Reader
from snowpipe_ml.local.reserved import check_names
from snowpipe_ml.local.statements import Result, Statement, command, status
from snowpipe_ml.local.storage import CATALOG, quoted, retry_conflicts

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection


class Modifiers:
    """What stands between CREATE and the kind of object."""

    def __init__(self, reader: Reader) -> None:
        self.replace = self.temporary = self.alter = self.aggregate = self.transient = self.secure = False
        reader.expect("CREATE")
        while True:
            if reader.accept("OR", "REPLACE"):
                self.replace = True
            elif reader.accept("OR", "ALTER"):
                self.alter = True
            elif reader.accept("TEMPORARY") or reader.accept("TEMP"):
                self.temporary = True
            elif reader.accept("AGGREGATE"):
                self.aggregate = True
            elif reader.accept("TRANSIENT"):
                self.transient = True
            elif reader.accept("SECURE"):
                self.secure = True
            elif not any(reader.accept(word) for word in ("SCOPED", "LOCAL", "GLOBAL", "VOLATILE")):
                return


def if_not_exists(reader: Reader) -> bool:
    """Read ``IF NOT EXISTS`` if it is there."""
    return reader.accept("IF", "NOT", "EXISTS")


def claim(
    connection: Connection, catalog: str, schema: str, name: str, *, replace: bool, lenient: bool
) -> Result | None:
    """Make a name in a table of the catalog free for a new object.

    Returns:
        None, or with IF NOT EXISTS the result that says that it is there already.

    Raises:
        ProgrammingError: it is there, and is not to be replaced.
    """
    where = f"FROM {catalog} WHERE schema_name = ? AND name = ?"
    if connection.duck.execute(f"SELECT 1 {where}", [schema, name]).fetchone():
        if lenient:
            return status(f"{name} already exists, statement succeeded.")
        if not replace:
            raise errors.exists(name)
        connection.duck.execute(f"DELETE {where}", [schema, name])
    return None


def dropped(name: str) -> Result:
    """The result of DROP."""
    return status(f"{name} successfully dropped.")


def already_dropped(name: str) -> Result:
    """The result of DROP IF EXISTS of what is not there."""
    return status(f"Drop statement executed successfully ({name} already dropped).")


@command("CREATE DATABASE")
def create_database(statement: Statement) -> Result:
    """``CREATE DATABASE [IF NOT EXISTS] name``; one FROM SHARE only where it is there already."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("DATABASE")
    lenient = if_not_exists(reader)
    (name,) = reader.name()
    with connection.storage.naming((name,)):
        return _create_database(statement, name, replace=modifiers.replace, lenient=lenient)


def _create_database(statement: Statement, name: str, *, replace: bool, lenient: bool) -> Result:
    connection, reader = statement.connection, statement.reader
    there = name in connection.storage.databases()
    if there and lenient:
        return status(f"{name} already exists, statement succeeded.")
    if reader.accept("FROM", "SHARE"):
        return _from_share(connection, name, ".".join(reader.name()))
    source = reader.name()[0] if reader.accept("CLONE") else None
    if source is not None:
        check_names(source)
        if source not in connection.storage.databases():
            raise errors.missing("Database", source)
    if there:
        if not replace:
            raise errors.exists(name)
        connection.storage.drop_database(name)
    connection.storage.create_database(name)
    if source is not None:
        from snowpipe_ml.local.cloning import clone_database

        clone_database(connection, source, name)
    connection.use(name, None)
    return status(f"Database {name} successfully created.")


def _from_share(connection: Connection, name: str, share: str) -> Result:
    """A share comes from another account; here only a script can stand in for what it would bring."""
    if share not in connection.shares:
        raise errors.UnsupportedError(
            f"shares (the database {name} from {share})",
            "Give the source another way for this target, such as a file",
        )
    before = connection.database, connection.schema
    connection.storage.create_database(name)
    connection.use(name, None)
    from snowpipe_ml.local.statements import run

    for text in connection.shares[share]:
        run(connection, text, None, "", None)
    if before[0]:
        connection.use(before[0], before[1])
    return status(f"Database {name} successfully created.")


@command("DROP DATABASE")
def drop_database(statement: Statement) -> Result:
    """``DROP DATABASE [IF EXISTS] name``."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    reader.expect("DROP", "DATABASE")
    lenient = reader.accept("IF", "EXISTS")
    (name,) = reader.name()
    with connection.storage.naming((name,)):
        if name not in connection.storage.databases():
            if lenient:
                return already_dropped(name)
            raise errors.missing("Database", name)
        if connection.database == name:
            connection.duck.execute("USE memory")
            connection.database = connection.schema = None
        connection.storage.drop_database(name)
    return dropped(name)


@command("CREATE SCHEMA")
def create_schema(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TRANSIENT] SCHEMA [IF NOT EXISTS] name``."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("SCHEMA")
    lenient = if_not_exists(reader)
    name = reader.name()
    database = name[0] if len(name) == 2 else connection.database
    if not database:
        raise errors.no_database("CREATE SCHEMA")
    source = reader.name() if reader.accept("CLONE") else None
    reader.options()
    reader.end()
    if name[-1].upper() in (CATALOG, "MAIN"):
        raise errors.UnsupportedError(f"a schema named {name[-1]!r}")
    check_names(database)
    origin = (source[0] if len(source) == 2 else str(connection.database), source[-1]) if source else None
    if origin is not None:
        check_names(*origin)
        if not _schema_exists(connection, *origin):
            raise errors.missing("Schema", ".".join(origin))
    if _schema_exists(connection, database, name[-1]):
        if lenient:
            return status(f"{name[-1]} already exists, statement succeeded.")
        if not modifiers.replace:
            raise errors.exists(name[-1])
        _drop_schema(connection, database, name[-1])
    retry_conflicts(lambda: connection.duck.execute(f"CREATE SCHEMA {quoted(database, name[-1])}"))
    if origin is not None:
        from snowpipe_ml.local.cloning import clone_schema

        clone_schema(connection, origin, (database, name[-1]))
    connection.use(database, name[-1])
    return status(f"Schema {name[-1]} successfully created.")


@command("ALTER SCHEMA", "ALTER DATABASE")
def alter_schema(statement: Statement) -> Result:
    """``ALTER SCHEMA|DATABASE [IF EXISTS] [name] SET key = value | UNSET key``: properties, without effect."""
    connection, reader = statement.connection, statement.reader
    reader.expect("ALTER")
    kind = reader.next().upper
    lenient = reader.accept("IF", "EXISTS")
    if not (reader.looking_at("SET") or reader.looking_at("UNSET")):
        name = reader.name()
        database = name[0] if len(name) == 2 or kind == "DATABASE" else connection.database
        there = database in connection.storage.databases() and (
            kind == "DATABASE" or _schema_exists(connection, str(database), name[-1])
        )
        if not there and not lenient:
            raise errors.missing(kind.capitalize(), ".".join(name))
    if not (reader.accept("SET") or reader.accept("UNSET")):
        raise errors.UnsupportedError(f"ALTER {kind} ... {reader.peek().upper}")
    return status("Statement executed successfully.")


@command("DROP SCHEMA")
def drop_schema(statement: Statement) -> Result:
    """``DROP SCHEMA [IF EXISTS] name [CASCADE]``."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    reader.expect("DROP", "SCHEMA")
    lenient = reader.accept("IF", "EXISTS")
    name = reader.name()
    database = name[0] if len(name) == 2 else connection.database
    if not database:
        raise errors.no_database("DROP SCHEMA")
    if not _schema_exists(connection, database, name[-1]):
        if lenient:
            return already_dropped(name[-1])
        raise errors.missing("Schema", ".".join((database, name[-1])))
    _drop_schema(connection, database, name[-1])
    return dropped(name[-1])


def _schema_exists(connection: Connection, database: str, schema: str) -> bool:
    return bool(
        connection.duck.execute(
            "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?", [database, schema]
        ).fetchone()
    )


def _drop_schema(connection: Connection, database: str, schema: str) -> None:
    check_names(database, schema)
    ids = connection.duck.execute(
        f"SELECT id FROM {connection.catalog(database, 'STAGES')} WHERE schema_name = ?", [schema]
    ).fetchall()
    if connection.database == database and connection.schema == schema:
        connection.duck.execute(f"USE {quoted(database, 'PUBLIC')}")
        connection.schema = "PUBLIC" if schema != "PUBLIC" else None
    retry_conflicts(lambda: connection.duck.execute(f"DROP SCHEMA {quoted(database, schema)} CASCADE"))
    for table in (
        "STAGES",
        "FILE_FORMATS",
        "FUNCTIONS",
        "TAGS",
        "TAG_VALUES",
        "LOADS",
        "TEMPORARY",
        "TRANSIENT",
        "TASKS",
    ):
        column = "tag_schema" if table == "TAG_VALUES" else "schema_name"
        connection.duck.execute(
            f"DELETE FROM {connection.catalog(database, table)} WHERE {column} = ?", [schema]
        )
    for (stage_id,) in ids:
        shutil.rmtree(connection.storage.path / "stages" / stage_id, ignore_errors=True)


def remember_temporary(connection: Connection, kind: str, name: tuple[str, str, str]) -> None:
    """Note that an object ends with the session, and is seen by no other."""
    connection.storage.owners[name] = connection.session_id
    connection.duck.execute(
        f"INSERT INTO {connection.catalog(name[0], 'TEMPORARY')} VALUES (?, ?, ?, ?)",
        [kind, name[1], name[2], str(connection.session_id)],
    )


def rename_temporary(connection: Connection, old: tuple[str, str, str], new: tuple[str, str, str]) -> None:
    """Let a temporary object, if it is one, end with its session under another name too."""
    owner = connection.storage.owners.pop(old, None)
    if owner is not None:
        connection.storage.owners[new] = owner
        connection.duck.execute(
            f"UPDATE {connection.catalog(old[0], 'TEMPORARY')} SET name = ? WHERE schema_name = ? AND name = ?",
            [new[2], *old[1:]],
        )


def drop_temporary(connection: Connection) -> None:
    """Drop all temporary objects of a session."""
    session = str(connection.session_id)
    for database in connection.storage.databases():
        temporary = connection.catalog(database, "TEMPORARY")
        rows = connection.duck.execute(
            f"SELECT kind, schema_name, name FROM {temporary} WHERE session = ?", [session]
        ).fetchall()
        for kind, schema, name in rows:
            connection.duck.execute(f"DROP {kind} IF EXISTS {quoted(database, schema, name)}")
            connection.storage.owners.pop((database, schema, name), None)
        if rows:
            connection.duck.execute(f"DELETE FROM {temporary} WHERE session = ?", [session])
        for table in ("STAGES", "FILE_FORMATS", "FUNCTIONS"):
            catalog = connection.catalog(database, table)
            if not connection.duck.execute(
                f"SELECT 1 FROM {catalog} WHERE session = ?", [session]
            ).fetchone():
                continue
            columns = "id" if table == "STAGES" else "name"
            gone = connection.duck.execute(
                f"DELETE FROM {catalog} WHERE session = ? RETURNING {columns}", [session]
            ).fetchall()
            for (stage_id,) in gone if table == "STAGES" else ():
                shutil.rmtree(connection.storage.path / "stages" / stage_id, ignore_errors=True)


@command("COMMENT")
def comment(statement: Statement) -> Result:
    """``COMMENT [IF EXISTS] ON TABLE|VIEW|COLUMN name IS 'text'``; others are taken and not kept."""
    connection, reader = statement.connection, statement.reader
    reader.expect("COMMENT")
    reader.accept("IF", "EXISTS")
    reader.expect("ON")
    kind = reader.next().upper
    name = reader.name()
    if kind in ("TABLE", "VIEW"):
        reader.expect("IS")
        text = reader.string().replace("'", "''")
        target = quoted(*connection.resolve(name))
        retry_conflicts(lambda: connection.duck.execute(f"COMMENT ON {kind} {target} IS '{text}'"))
    elif kind in ("FUNCTION", "PROCEDURE"):
        from snowpipe_ml.local.python.definition import read_signature
        from snowpipe_ml.local.python.statements import find_one

        definition = find_one(connection, kind, name, read_signature(reader))
        reader.expect("IS")
        definition = dataclasses.replace(definition, comment=reader.string())
        connection.storage.functions.update(connection, definition)
    elif kind not in ("STAGE", "SCHEMA", "DATABASE", "WAREHOUSE"):
        raise errors.UnsupportedError(f"COMMENT ON {kind}")
    return status("Statement executed successfully.")


def options_text(options: dict[str, Any], key: str, default: str = "") -> str:
    """An option as text."""
    value = options.get(key)
    return default if value is None else str(value)
