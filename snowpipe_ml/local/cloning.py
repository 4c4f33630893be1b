"""CLONE of schemas and databases: tables with their rows, views, sequences, stages and functions.

Files of internal stages are not cloned, as on Snowflake. https://docs.snowflake.com/en/sql-reference/sql/create-clone
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from snowpipe_ml.local import errors, private
from snowpipe_ml.local.reserved import check_names
from snowpipe_ml.local.storage import CATALOG, quoted
from snowpipe_ml.local.tags import copy_tags

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection


def clone_database(connection: Connection, source: str, target: str) -> None:
    """Clone every schema of a database into a new one.

    Raises:
        ProgrammingError: there is no such database.
    """
    check_names(source)
    if source not in connection.storage.databases():
        raise errors.missing("Database", source)
    schemas = connection.duck.execute(
        "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND NOT internal", [source]
    ).fetchall()
    for (schema,) in schemas:
        if schema in (CATALOG, "main"):
            continue
        connection.duck.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(target, schema)}")
        clone_schema(connection, (source, schema), (target, schema))


def clone_schema(connection: Connection, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Clone what is in a schema into one that is there and empty.

    Raises:
        ProgrammingError: there is no such schema.
    """
    duck = connection.duck
    check_names(*source)
    if source[0] not in connection.storage.databases():
        raise errors.missing("Database", source[0])
    there = duck.execute(
        "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?", list(source)
    ).fetchone()
    if not there:
        raise errors.missing("Schema", ".".join(source))
    from snowpipe_ml.local.tables import columns_of  # it needs this module's neighbors

    temporary = {
        name
        for (name,) in duck.execute(
            f"SELECT name FROM {connection.catalog(source[0], 'TEMPORARY')} WHERE schema_name = ?",
            [source[1]],
        ).fetchall()
    }
    for name, start, step in duck.execute(
        "SELECT sequence_name, coalesce(last_value + increment_by, start_value), increment_by FROM duckdb_sequences() "
        "WHERE database_name = ? AND schema_name = ?",
        list(source),
    ).fetchall():
        from snowpipe_ml.local.sequences import make

        make(connection, (*target, name), start, step)
    for name, text in duck.execute(
        "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = ? AND schema_name = ?",
        list(source),
    ).fetchall():
        if name in temporary:
            continue
        columns = columns_of(str(text)).replace(quoted(*source), quoted(*target))
        duck.execute(f"CREATE TABLE {quoted(*target, name)}{columns}")
        duck.execute(f"INSERT INTO {quoted(*target, name)} SELECT * FROM {quoted(*source, name)}")
        copy_tags(connection, (*source, name), (*target, name))
    _clone_views(connection, source, target)
    _clone_catalog(connection, source, target)


def _clone_views(connection: Connection, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Views read what they read before: on Snowflake too a cloned view keeps its text."""
    waiting = connection.duck.execute(
        "SELECT view_name, sql FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND NOT internal",
        list(source),
    ).fetchall()
    for name, text in waiting:
        body = str(text)[str(text).upper().index(" AS ") :]
        connection.duck.execute(f"CREATE VIEW {quoted(*target, name)}{body}")


def _clone_catalog(connection: Connection, source: tuple[str, str], target: tuple[str, str]) -> None:
    duck = connection.duck
    stages = connection.catalog(source[0], "STAGES")
    for name, url, options, comment in duck.execute(
        f"SELECT name, url, options, comment FROM {stages} WHERE schema_name = ? AND session IS NULL",
        [source[1]],
    ).fetchall():
        stage_id = uuid.uuid4().hex
        if not url:
            private.make_folder(connection.storage.path / "stages" / stage_id)
        duck.execute(
            f"INSERT INTO {connection.catalog(target[0], 'STAGES')} (schema_name, name, id, url, options, comment) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [target[1], name, stage_id, url, options, comment],
        )
    columns = "name, options, comment"
    duck.execute(
        f"INSERT INTO {connection.catalog(target[0], 'FILE_FORMATS')} (schema_name, {columns}) SELECT ?, {columns} "
        f"FROM {connection.catalog(source[0], 'FILE_FORMATS')} WHERE schema_name = ? AND session IS NULL",
        [target[1], source[1]],
    )
    functions = connection.storage.functions
    for (text,) in duck.execute(
        f"SELECT definition FROM {connection.catalog(source[0], 'FUNCTIONS')} WHERE schema_name = ? AND session IS NULL",
        [source[1]],
    ).fetchall():
        functions.copy(connection, text, target)
