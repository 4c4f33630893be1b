"""Streamlit objects: CREATE, ALTER and DESCRIBE.

https://docs.snowflake.com/en/sql-reference/sql/create-streamlit
https://docs.snowflake.com/en/sql-reference/sql/alter-streamlit
https://docs.snowflake.com/en/sql-reference/sql/desc-streamlit
"""

from __future__ import annotations

import json
import uuid

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.stages import named_stage
from snowpipe_ml.local.catalog.streamlits import Streamlits
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.names import Name, dumps
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, claim, if_not_exists
from snowpipe_ml.local.syntax.reader import Reader

_DONE = "Statement executed successfully."
_NAMES = ("QUERY_WAREHOUSE", "COMPUTE_POOL")  # identifiers, or strings with one
_OPTIONS = frozenset(
    {
        "ROOT_LOCATION",
        "MAIN_FILE",
        "RUNTIME_NAME",
        "COMMENT",
        "TITLE",
        "IMPORTS",
        "EXTERNAL_ACCESS_INTEGRATIONS",
        "SECRETS",
        "ARTIFACT_REPOSITORIES",
        *_NAMES,
    }
)
_UNSET = ("QUERY_WAREHOUSE", "COMMENT", "TITLE")
_CONTAINER = "SYSTEM$ST_CONTAINER_RUNTIME"


@command("CREATE STREAMLIT")
def create_streamlit(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] STREAMLIT [IF NOT EXISTS] name [FROM '@stage/folder'] options``."""
    session, reader = statement.session, statement.reader
    modifiers = Modifiers(reader)
    reader.expect("STREAMLIT")
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), "CREATE STREAMLIT")
    options = _read(session, reader, source=True)
    container = str(options.get("RUNTIME_NAME") or "").startswith(_CONTAINER)
    if container and "ROOT_LOCATION" in options:
        raise errors.compilation("ROOT_LOCATION is not supported for container runtimes; use FROM")
    if not container and "/" in str(options.get("MAIN_FILE") or ""):
        raise errors.compilation("MAIN_FILE of a warehouse runtime must be a file name, not a path")
    with session.storage.lock:
        there = claim(session, Streamlits(), name, replace=modifiers.replace, lenient=lenient)
        if there is not None:
            return there
        values = {"options": dumps(options), "url_id": uuid.uuid4().hex[:20], "owner": session.role or ""}
        Streamlits().add(session, name, values)
    return status(f"Streamlit {name[2]} successfully created.")


@command("ALTER STREAMLIT")
def alter_streamlit(statement: Statement) -> Result:
    """``ALTER STREAMLIT [IF EXISTS] name SET options | UNSET ... | RENAME TO name | ADD LIVE VERSION FROM LAST``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("ALTER", "STREAMLIT")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "ALTER STREAMLIT")
    with session.storage.lock:
        if not Streamlits().exists(session, name):
            if lenient:
                return status(_DONE)
            raise errors.missing("Streamlit", ".".join(name))
        if reader.accept("RENAME", "TO"):
            new = new_name(session, reader.name(), "ALTER STREAMLIT")
            reader.end()
            if Streamlits().exists(session, new):
                raise errors.exists(new[2])
            _change(session, name, "schema_name = ?, name = ?", [new[1], new[2]], new[0])
            grants.rename(session, "STREAMLIT", name, new)
            return status(_DONE)
        options, _ = _kept(session, name)
        if reader.accept("UNSET"):
            while True:
                option = reader.next().upper
                if option not in _UNSET:
                    raise errors.invalid_property(option, "STREAMLIT")
                options.pop(option, None)
                if not reader.accept(","):
                    break
            reader.end()
        elif reader.accept("SET"):
            options |= _read(session, reader, source=False)
        elif reader.accept("ADD", "LIVE", "VERSION", "FROM", "LAST"):
            reader.end()  # the files of FROM are its only version
        else:
            # The versions of a Git repository.
            raise errors.UnsupportedError(f"ALTER STREAMLIT ... {reader.next().upper}")
        _change(session, name, "options = ?", [dumps(options)])
    return status(_DONE)


@command("DESCRIBE STREAMLIT", "DESC STREAMLIT")
def describe_streamlit(statement: Statement) -> Result:
    """``DESCRIBE STREAMLIT name``."""
    session, reader = statement.session, statement.reader
    reader.next()
    reader.expect("STREAMLIT")
    name = session.resolve(reader.name(), "DESCRIBE STREAMLIT")
    reader.end()
    if not Streamlits().exists(session, name):
        raise errors.missing("Streamlit", ".".join(name))
    options, url_id = _kept(session, name)
    shown = {
        "name": name[2],
        "title": options.get("TITLE"),
        "root_location": options.get("ROOT_LOCATION") or options.get("FROM"),
        "main_file": options.get("MAIN_FILE") or "streamlit_app.py",
        "query_warehouse": options.get("QUERY_WAREHOUSE"),
        "runtime_name": options.get("RUNTIME_NAME"),
        "compute_pool": options.get("COMPUTE_POOL"),
        "url_id": url_id,
        "default_packages": "python==3.11,snowflake-snowpark-python,streamlit",
        "user_packages": "[]",
        "import_urls": json.dumps(options.get("IMPORTS") or []),
        "external_access_integrations": json.dumps(options.get("EXTERNAL_ACCESS_INTEGRATIONS") or []),
        "external_access_secrets": json.dumps(options.get("SECRETS") or {}),
    }
    return rows([(column, "VARCHAR") for column in shown], [tuple(shown.values())])


def _read(session: Session, reader: Reader, *, source: bool) -> Options:
    """Read the options of a Streamlit object, in any order.

    Args:
        session: the session.
        reader: the statement, behind the name.
        source: whether FROM may be among them.

    Raises:
        ProgrammingError: an option does not exist, or a stage.
    """
    found: Options = {}
    while not reader.done:
        if source and reader.accept("FROM"):
            location = reader.string() if reader.peek().kind == "string" else reader.stage()
            _check_stage(session, location)
            found["FROM"] = location
            continue
        if reader.peek().upper in _NAMES and reader.peek(1).text == "=":
            option = reader.next().upper
            reader.expect("=")
            (found[option],) = reader.name()
            continue
        given = _one(reader)
        if not given:
            raise reader.unexpected()
        found |= given
    for option in found:
        if option != "FROM" and option not in _OPTIONS:
            raise errors.invalid_property(option, "STREAMLIT")
    if isinstance(found.get("ROOT_LOCATION"), str):
        _check_stage(session, str(found["ROOT_LOCATION"]))
    return found


def _one(reader: Reader) -> Options:
    """Read one ``KEY = value``; an empty result if none follows."""
    if reader.peek().kind != "word" or reader.peek(1).text != "=":
        return {}
    option = reader.next().upper
    reader.next()
    return {option: reader.value()}


def _check_stage(session: Session, location: str) -> None:
    """Check that the stage of a location, such as ``@stage/folder``, exists."""
    if not location.startswith("@"):
        raise errors.compilation(f"{location!r} is not a location on a stage, such as '@stage/folder'")
    named_stage(session, Reader(location[1:].partition("/")[0]).name())


def _kept(session: Session, name: Name) -> tuple[Options, str]:
    """The options and the url_id of an object."""
    found = session.duck.execute(
        f"SELECT options, url_id FROM {session.catalog(name[0], 'STREAMLITS')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    assert found is not None
    return json.loads(found[0]), str(found[1])


def _change(
    session: Session, name: Name, what: str, values: list[object], database: str | None = None
) -> None:
    """Change columns of an object's row."""
    if database not in (None, name[0]):
        raise errors.UnsupportedError("RENAME TO another database")
    session.duck.execute(
        f"UPDATE {session.catalog(name[0], 'STREAMLITS')} SET {what} WHERE schema_name = ? AND name = ?",
        [*values, *name[1:]],
    )
