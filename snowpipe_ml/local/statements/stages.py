"""Stages: CREATE, DROP, ALTER and SHOW.

An internal stage is a folder of the warehouse; an external stage is a ``file://`` folder.
"""

from __future__ import annotations

import json
import shutil
import uuid

from snowpipe_ml.local.catalog.stages import _external_folder
from snowpipe_ml.local.core import errors, private
from snowpipe_ml.local.core.names import dumps
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements.scope import Scope
from snowpipe_ml.local.statements.shows import _STAMP, _catalog_rows


@command("CREATE STAGE")
def create_stage(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TEMPORARY] STAGE [IF NOT EXISTS] name [URL = 'file://...'] options``."""
    session, reader = statement.session, statement.reader
    modifiers = Modifiers(reader)
    reader.expect("STAGE")
    lenient = if_not_exists(reader)
    database, schema, name = session.resolve(reader.name(), "CREATE STAGE")
    lenient = if_not_exists(reader) or lenient
    options = reader.options()
    reader.end()
    url = text_option(options, "URL")
    options.pop("URL", None)
    if url:
        _external_folder(session, url)
    stages = session.catalog(database, "STAGES")
    with session.storage.lock:
        row = session.duck.execute(
            f"SELECT id FROM {stages} WHERE schema_name = ? AND name = ?", [schema, name]
        ).fetchone()
        if row:
            if lenient:
                return status(f"{name} already exists, statement succeeded.")
            if not modifiers.replace:
                raise errors.exists(name)
            _remove_stage(session, stages, schema, name)
        stage_id = uuid.uuid4().hex
        if not url:
            private.make_folder(session.storage.path / "stages" / stage_id)
        session.duck.execute(
            f"INSERT INTO {stages} (schema_name, name, id, url, options, comment, session) VALUES (?,?,?,?,?,?,?)",
            [
                schema,
                name,
                stage_id,
                url,
                dumps(options),
                options.get("COMMENT"),
                str(session.session_id) if modifiers.temporary else None,
            ],
        )
    return status(f"Stage area {name} successfully created.")


@command("DROP STAGE")
def drop_stage(statement: Statement) -> Result:
    """``DROP STAGE [IF EXISTS] name``, with its files."""
    session, reader = statement.session, statement.reader
    reader.expect("DROP", "STAGE")
    lenient = reader.accept("IF", "EXISTS")
    database, schema, name = session.resolve(reader.name(), "DROP STAGE")
    gone = _remove_stage(session, session.catalog(database, "STAGES"), schema, name)
    if not gone and not lenient:
        raise errors.missing("Stage", f"{database}.{schema}.{name}")
    return dropped(name) if gone else already_dropped(name)


def _remove_stage(session: Session, stages: str, schema: str, name: str) -> bool:
    gone = session.duck.execute(
        f"DELETE FROM {stages} WHERE schema_name = ? AND name = ? RETURNING id", [schema, name]
    ).fetchall()
    for (stage_id,) in gone:
        shutil.rmtree(session.storage.path / "stages" / stage_id, ignore_errors=True)
    return bool(gone)


@command("ALTER STAGE")
def alter_stage(statement: Statement) -> Result:
    """``ALTER STAGE [IF EXISTS] name REFRESH [SUBPATH = 'x'] | SET options``."""
    session, reader = statement.session, statement.reader
    reader.expect("ALTER", "STAGE")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "ALTER STAGE")
    stages = session.catalog(name[0], "STAGES")
    row = session.duck.execute(
        f"SELECT options FROM {stages} WHERE schema_name = ? AND name = ?", list(name[1:])
    ).fetchone()
    if row is None:
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing("Stage", ".".join(name))
    if reader.accept("REFRESH"):
        reader.options()
        return status("Statement executed successfully.")
    reader.expect("SET")
    given = reader.options()
    reader.end()
    for key in set(given) - {"FILE_FORMAT", "DIRECTORY", "COMMENT"}:
        raise errors.UnsupportedError(f"ALTER STAGE ... SET {key}")
    session.duck.execute(
        f"UPDATE {stages} SET options = ?, comment = coalesce(?, comment) WHERE schema_name = ? AND name = ?",
        [dumps(json.loads(row[0] or "{}") | given), given.get("COMMENT"), *name[1:]],
    )
    return status("Statement executed successfully.")


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
