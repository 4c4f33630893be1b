"""Stages: CREATE, DROP, ALTER and SHOW.

An internal stage is a folder of the warehouse; an external stage is a ``file://`` folder.
"""

from __future__ import annotations

import json
import uuid

from snowpipe_ml.local.catalog.directories import STATUSES, make_directory, refresh
from snowpipe_ml.local.catalog.stages import Stages, _external_folder, named_stage
from snowpipe_ml.local.catalog.streams import make_stale
from snowpipe_ml.local.core import errors, private
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.names import dumps, quoted
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.core.values import Options, text_option
from snowpipe_ml.local.files.format_options import check_names
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, claim, if_not_exists

_OPTIONS = ("URL", "FILE_FORMAT", "COPY_OPTIONS", "DIRECTORY", "COMMENT", "ENCRYPTION")
# The types of encryption that do not change how files are read.
_ENCRYPTION = ("SNOWFLAKE_FULL", "SNOWFLAKE_SSE", "NONE")
# Options of Snowflake's stages that are refused by name.
_KNOWN = (
    "STORAGE_INTEGRATION",
    "CREDENTIALS",
    "ENDPOINT",
    "AWS_ACCESS_POINT_ARN",
    "USE_PRIVATELINK_ENDPOINT",
)


def _check_options(options: Options) -> None:
    """Refuse options of a stage that are not supported.

    Raises:
        ProgrammingError: Snowflake has no such option.
        UnsupportedError: it names the option.
    """
    for key in options:
        if key in _KNOWN:
            raise errors.UnsupportedError(f"{key} of a stage")
        if key not in _OPTIONS:
            raise errors.invalid_property(key, "STAGE")
    if options.get("COPY_OPTIONS"):
        raise errors.UnsupportedError("COPY_OPTIONS of a stage", "Give them to COPY INTO")
    encryption = options.get("ENCRYPTION")
    if isinstance(encryption, dict) and str(encryption.get("TYPE", "NONE")).upper() not in _ENCRYPTION:
        raise errors.UnsupportedError(f"ENCRYPTION of a stage with the type {encryption['TYPE']}")
    directory = options.get("DIRECTORY")
    if isinstance(directory, dict) and directory.get("AUTO_REFRESH"):
        raise errors.UnsupportedError("AUTO_REFRESH of a directory table", "Use ALTER STAGE ... REFRESH")
    given = options.get("FILE_FORMAT")
    if isinstance(given, dict) and "FORMAT_NAME" not in given:
        check_names(given, "FILE_FORMAT")


@command("CREATE STAGE")
def create_stage(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] [TEMPORARY] STAGE [IF NOT EXISTS] name [URL = 'file://...'] options``."""
    session, reader = statement.session, statement.reader
    modifiers = Modifiers(reader)
    reader.expect("STAGE")
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), "CREATE STAGE")
    lenient = if_not_exists(reader) or lenient
    options = reader.options()
    if reader.looking_at("TAG") or reader.looking_at("WITH", "TAG"):
        raise errors.UnsupportedError("the option TAG of CREATE STAGE")
    reader.end()
    _check_options(options)
    url = text_option(options, "URL")
    options.pop("URL", None)
    if url:
        _external_folder(session, url)
    stages = Stages()
    with session.storage.lock:
        there = claim(
            session,
            stages,
            name,
            replace=modifiers.replace,
            lenient=lenient,
            temporary=modifiers.temporary,
        )
        if there is not None:
            return there
        stage_id = uuid.uuid4().hex
        if not url:
            private.make_folder(session.storage.path / "stages" / stage_id)
        stages.add(
            session,
            name,
            {
                "id": stage_id,
                "url": url,
                "options": dumps(options),
                "comment": options.get("COMMENT"),
                "session": session.owner(name[0]) if modifiers.temporary else None,
            },
        )
        directory = options.get("DIRECTORY")
        if isinstance(directory, dict) and directory.get("ENABLE"):
            stage = named_stage(session, name)
            make_directory(session, stage.directory)
            if url and directory.get("REFRESH_ON_CREATE", True):
                refresh(session, stage)
    return status(f"Stage area {name[2]} successfully created.")


@command("ALTER STAGE")
def alter_stage(statement: Statement) -> Result:
    """``ALTER STAGE [IF EXISTS] name REFRESH [SUBPATH = 'x'] | SET options``."""
    session, reader = statement.session, statement.reader
    reader.expect("ALTER", "STAGE")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "ALTER STAGE")
    stages = session.catalog(name[0], "STAGES")
    row = session.duck.execute(
        f"SELECT options, url FROM {stages} WHERE schema_name = ? AND name = ?", list(name[1:])
    ).fetchone()
    if row is None:
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing("Stage", ".".join(name))
    if reader.accept("REFRESH"):
        given = reader.options()
        reader.end()
        for key in given:
            if key != "SUBPATH":
                raise errors.invalid_property(key, "REFRESH")
        made = refresh(session, named_stage(session, name), text_option(given, "SUBPATH") or "")
        return rows(list(STATUSES), made)
    reader.expect("SET")
    given = reader.options()
    reader.end()
    _check_options(given)
    url = text_option(given, "URL")
    given.pop("URL", None)
    if url is not None:
        if row[1] is None:
            raise errors.error(
                2003, "22023", f"SQL compilation error:\ncannot set the URL of the internal stage {name[2]}"
            )
        _external_folder(session, url)
    session.duck.execute(
        f"UPDATE {stages} SET options = ?, comment = coalesce(?, comment), url = coalesce(?, url) "
        "WHERE schema_name = ? AND name = ?",
        [dumps(json.loads(row[0] or "{}") | given), given.get("COMMENT"), url, *name[1:]],
    )
    directory = given.get("DIRECTORY")
    if isinstance(directory, dict):
        stage = named_stage(session, name)
        if directory.get("ENABLE"):
            make_directory(session, stage.directory)
        else:
            make_stale(session, stage.directory)
            session.duck.execute(f"DROP TABLE IF EXISTS {quoted(*stage.directory)}")
    return status("Statement executed successfully.")
