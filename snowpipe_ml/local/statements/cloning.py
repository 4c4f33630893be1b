"""CLONE of schemas and databases.

Tables are cloned with their rows, also views, sequences, stages, file formats and functions. As on Snowflake,
files of internal stages are not cloned.
https://docs.snowflake.com/en/sql-reference/sql/create-clone
"""

from __future__ import annotations

import uuid

from snowpipe_ml.local.catalog.sequences import make
from snowpipe_ml.local.catalog.streams import set_offset
from snowpipe_ml.local.catalog.tags import copy_tags
from snowpipe_ml.local.core import errors, private
from snowpipe_ml.local.core.ddl import after_name
from snowpipe_ml.local.core.names import CATALOG, quoted
from snowpipe_ml.local.core.reserved import check_names
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.python.registry import functions_of


def clone_database(session: Session, source: str, target: str) -> None:
    """Clone every schema of a database into a new one.

    Raises:
        ProgrammingError: the database does not exist.
    """
    check_names(source)
    if source not in session.storage.databases():
        raise errors.missing("Database", source)
    schemas = session.duck.execute(
        "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND NOT internal", [source]
    ).fetchall()
    for (schema,) in schemas:
        if schema in (CATALOG, "main"):
            continue
        session.duck.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(target, schema)}")
        clone_schema(session, (source, schema), (target, schema))


def clone_schema(session: Session, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Clone the objects of a schema into an existing, empty schema.

    Raises:
        ProgrammingError: the source schema does not exist.
    """
    duck = session.duck
    check_names(*source)
    if source[0] not in session.storage.databases():
        raise errors.missing("Database", source[0])
    there = duck.execute(
        "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?", list(source)
    ).fetchone()
    if not there:
        raise errors.missing("Schema", ".".join(source))
    temporary = {
        name
        for (name,) in duck.execute(
            f"SELECT name FROM {session.catalog(source[0], 'TEMPORARY')} WHERE schema_name = ?",
            [source[1]],
        ).fetchall()
    }
    for name, start, step in duck.execute(
        "SELECT sequence_name, coalesce(last_value + increment_by, start_value), increment_by FROM duckdb_sequences() "
        "WHERE database_name = ? AND schema_name = ?",
        list(source),
    ).fetchall():
        make(session, (*target, name), start, step)
    for name, text in duck.execute(
        "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = ? AND schema_name = ?",
        list(source),
    ).fetchall():
        if name in temporary:
            continue
        columns = after_name(str(text)).replace(quoted(*source), quoted(*target))
        duck.execute(f"CREATE TABLE {quoted(*target, name)}{columns}")
        duck.execute(f"INSERT INTO {quoted(*target, name)} SELECT * FROM {quoted(*source, name)}")
        copy_tags(session, (*source, name), (*target, name))
    _clone_views(session, source, target)
    _clone_catalog(session, source, target)


def _clone_views(session: Session, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Clone views with their text unchanged, as on Snowflake: they still read the original tables."""
    waiting = session.duck.execute(
        "SELECT view_name, sql FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND NOT internal",
        list(source),
    ).fetchall()
    for name, text in waiting:
        session.duck.execute(f"CREATE VIEW {quoted(*target, name)} {after_name(str(text))}")


def _clone_catalog(session: Session, source: tuple[str, str], target: tuple[str, str]) -> None:
    duck = session.duck
    stages = session.catalog(source[0], "STAGES")
    for name, url, options, comment in duck.execute(
        f"SELECT name, url, options, comment FROM {stages} WHERE schema_name = ? AND session IS NULL",
        [source[1]],
    ).fetchall():
        stage_id = uuid.uuid4().hex
        if not url:
            private.make_folder(session.storage.path / "stages" / stage_id)
        duck.execute(
            f"INSERT INTO {session.catalog(target[0], 'STAGES')} (schema_name, name, id, url, options, comment) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [target[1], name, stage_id, url, options, comment],
        )
    columns = "name, options, comment"
    duck.execute(
        f"INSERT INTO {session.catalog(target[0], 'FILE_FORMATS')} (schema_name, {columns}) SELECT ?, {columns} "
        f"FROM {session.catalog(source[0], 'FILE_FORMATS')} WHERE schema_name = ? AND session IS NULL",
        [target[1], source[1]],
    )
    _clone_streams_and_tasks(session, source, target)
    functions = functions_of(session.storage)
    for (text,) in duck.execute(
        f"SELECT definition FROM {session.catalog(source[0], 'FUNCTIONS')} WHERE schema_name = ? AND session IS NULL",
        [source[1]],
    ).fetchall():
        functions.copy(session, text, target)


def _clone_streams_and_tasks(session: Session, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Clone streams, from now on and on the cloned tables, and tasks, which are suspended, as on Snowflake.

    https://docs.snowflake.com/en/user-guide/object-clone
    """
    duck = session.duck
    for name, table_schema, table, append_only in duck.execute(
        f"SELECT name, table_schema, table_name, append_only FROM {session.catalog(source[0], 'STREAMS')} "
        "WHERE schema_name = ?",
        [source[1]],
    ).fetchall():
        schema = target[1] if table_schema == source[1] else table_schema
        there = duck.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
            [target[0], schema, table],
        ).fetchone()
        if not there:  # a stale stream, or a table in another schema of a cloned database
            continue
        kept = f"STREAM_{uuid.uuid4().hex.upper()}"
        duck.execute(
            f"INSERT INTO {session.catalog(target[0], 'STREAMS')} VALUES (?, ?, ?, ?, ?, ?)",
            [target[1], name, kept, schema, table, append_only],
        )
        set_offset(session, (*target, name), kept, (target[0], schema, table))
    duck.execute(
        f"INSERT INTO {session.catalog(target[0], 'TASKS')} (schema_name, name, definition, state) "
        f"SELECT ?, name, definition, 'suspended' FROM {session.catalog(source[0], 'TASKS')} WHERE schema_name = ?",
        [target[1], source[1]],
    )
