"""Clones of schemas and databases: the objects, the files of internal stages, and views that read the clones.

https://docs.snowflake.com/en/user-guide/object-clone
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snowpipe_ml.local.catalog.columns import copy_comments, stored_columns
from snowpipe_ml.local.catalog.kind import Schema
from snowpipe_ml.local.catalog.kinds import clone_objects
from snowpipe_ml.local.catalog.properties import COMMENT, TEXT, note_creation, properties_of, set_property
from snowpipe_ml.local.core import connector, private
from snowpipe_ml.local.core.names import CATALOG, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Options, text_option
from snowpipe_ml.local.statements.retention import set_retention
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.passes import new_compiler


def includes_stages(reader: Reader) -> bool:
    """Parse an optional ``INCLUDE INTERNAL STAGES`` after the source of a clone; return whether it was present."""
    return reader.accept("INCLUDE", "INTERNAL", "STAGES")


def clone_schema(session: Session, source: Schema, target: Schema, *, stages: bool) -> None:
    """Clone the objects of a schema into an empty one.

    Args:
        session: the session.
        source: the schema.
        target: the empty schema.
        stages: clone the files of internal stages too.
    """
    clone_objects(session, source, target)
    if stages:
        _clone_files(session, source, target)
    _read_clones(session, source, target)


def fill_database(session: Session, name: str, source: str | None, options: Options, *, stages: bool) -> None:
    """Note the creation of a database, and clone the schemas of another one into it if there is one."""
    note_creation(session, (name, "", ""))
    note_creation(session, (name, "PUBLIC", ""))
    set_property(session, (name, "", ""), COMMENT, text_option(options, "COMMENT"))
    set_retention(session, (name, "", ""), options)
    if source is not None:
        for (schema,) in session.duck.execute(
            "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND NOT internal", [source]
        ).fetchall():
            if schema not in (CATALOG, "main"):
                session.duck.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name, schema)}")
                clone_schema(session, (source, schema), (name, schema), stages=stages)


def _clone_files(session: Session, source: Schema, target: Schema) -> None:
    """Link the files of internal stages into the stages of the clone. A file on a stage is replaced, never changed."""
    pairs = session.duck.execute(
        f"SELECT S.id, T.id FROM {session.catalog(source[0], 'STAGES')} AS S "
        f"JOIN {session.catalog(target[0], 'STAGES')} AS T ON S.name = T.name "
        "WHERE S.schema_name = ? AND T.schema_name = ? AND S.url IS NULL AND S.session IS NULL",
        [source[1], target[1]],
    ).fetchall()
    home = session.storage.path / "stages"
    for old, new in pairs:
        if (home / old).is_dir():
            shutil.copytree(
                home / old,
                home / new,
                copy_function=_link,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("*.uploading"),
            )


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # the file system has no hard links
        private.copy_file(Path(source), Path(target))


def _read_clones(session: Session, source: Schema, target: Schema) -> None:
    """Let the views of a clone read the objects of the clone under the names that have no schema.

    Snowflake keeps the text of a view, and looks such a name up in the schema of the view. A name with a schema is that
    of the original: https://docs.snowflake.com/en/sql-reference/sql/create-view
    """
    views = session.duck.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE database_name = ? AND schema_name = ? "
        "AND NOT internal ORDER BY view_oid",
        list(target),
    ).fetchall()
    for view, comment in views:
        name = (*target, str(view))
        text = properties_of(session, name).get(TEXT)
        if text is None:
            continue
        columns = ", ".join(quoted(column.name) for column in stored_columns(session, name))
        try:
            with _in_schema(session, target):
                compiler = new_compiler(session, in_view=True)
                try:
                    body = to_sql(compiler.compile(parse(_query_of(str(text)))))
                finally:
                    compiler.release()
        except connector.Error:  # what it reads is gone: the clone is as broken as the original
            continue
        session.duck.execute(f"CREATE OR REPLACE VIEW {quoted(*name)} ({columns}) AS {body}")
        if comment is not None:
            session.duck.execute(f"COMMENT ON VIEW {quoted(*name)} IS {literal(str(comment))}")
        copy_comments(session, (*source, str(view)), name)


@contextmanager
def _in_schema(session: Session, schema: Schema) -> Iterator[None]:
    """Look names up in a schema, which is not made the current one."""
    before = session.database, session.schema
    session.database, session.schema = schema
    try:
        yield
    finally:
        session.database, session.schema = before


def _query_of(text: str) -> str:
    """Return the query of a CREATE VIEW statement."""
    reader = Reader(text)
    depth = 0
    while depth or not reader.looking_at("AS"):
        depth += {"(": 1, ")": -1}.get(reader.next().text, 0)
    reader.next()
    return reader.rest()
