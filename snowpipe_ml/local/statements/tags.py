"""Object tags: CREATE, DROP and SHOW TAG, SET TAG and UNSET TAG.

https://docs.snowflake.com/en/user-guide/object-tagging/introduction
"""

from __future__ import annotations

from snowpipe_ml.local.catalog.tags import Tags
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.names import Name, dumps
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, claim, if_not_exists
from snowpipe_ml.local.syntax.reader import Reader

_MAX_VALUE = 256


@command("CREATE TAG")
def create_tag(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] TAG [IF NOT EXISTS] name [ALLOWED_VALUES 'a', ...] [COMMENT = 'x']``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("TAG")
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), "CREATE TAG")
    allowed: list[str] = []
    if reader.accept("ALLOWED_VALUES"):
        allowed.append(reader.string())
        while reader.accept(","):
            allowed.append(reader.string())
    options = reader.options()
    reader.end()
    tags = Tags()
    with session.storage.lock:
        there = claim(session, tags, name, replace=modifiers.replace, lenient=lenient)
        if there is not None:
            return there
        tags.add(
            session,
            name,
            {"allowed": dumps(allowed) if allowed else None, "comment": options.get("COMMENT")},
        )
    return status(f"Tag {name[2]} successfully created.")


@command("ALTER TAG")
def alter_tag(statement: Statement) -> Result:
    """``ALTER TAG [IF EXISTS] name SET COMMENT = 'x' | UNSET COMMENT``.

    https://docs.snowflake.com/en/sql-reference/sql/alter-tag
    """
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("ALTER", "TAG")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "ALTER TAG")
    with session.storage.lock:
        if not Tags().exists(session, name):
            if lenient:
                return status("Statement executed successfully.")
            raise errors.missing("Tag", ".".join(name))
        if reader.accept("UNSET", "COMMENT"):
            comment: str | None = None
        else:
            if not reader.accept("SET") or not reader.looking_at("COMMENT"):
                raise errors.UnsupportedError(f"ALTER TAG ... {reader.rest().split()[0]}")
            comment = text_option(reader.options(), "COMMENT")
        reader.end()
        session.duck.execute(
            f"UPDATE {session.catalog(name[0], 'TAGS')} SET comment = ? WHERE schema_name = ? AND name = ?",
            [comment, *name[1:]],
        )
    return status("Statement executed successfully.")


def set_tags(
    session: Session,
    domain: str,
    target: Name,
    reader: Reader,
    column: str | None = None,
) -> Result:
    """Parse ``tag = 'value', ...`` and set the tags on an object or a column."""
    for tag, value in read_tags(reader):
        set_tag(session, domain, target, tag, value, column)
    reader.end()
    return status("Statement executed successfully.")


def read_tags(reader: Reader) -> list[tuple[tuple[str, ...], str]]:
    """Parse ``tag = 'value', ...``."""
    found = []
    while True:
        tag = reader.name()
        reader.expect("=")
        found.append((tag, reader.string()))
        if not reader.accept(","):
            return found


def set_tag(
    session: Session,
    domain: str,
    target: Name,
    tag: tuple[str, ...],
    value: str,
    column: str | None = None,
) -> None:
    """Set a tag on an object or a column.

    Raises:
        ProgrammingError: the tag does not exist, or does not take the value.
    """
    database, schema, name = target
    whole = session.resolve(tag, "SET TAG")
    _check(session, whole, value)
    values = session.catalog(database, "TAG_VALUES")
    key = [whole[1], whole[2], domain, schema, name, column or ""]
    with session.storage.lock:
        session.duck.execute(
            f"DELETE FROM {values} WHERE tag_schema = ? AND tag_name = ? AND domain = ? "
            "AND schema_name = ? AND object_name = ? AND column_name = ?",
            key,
        )
        session.duck.execute(f"INSERT INTO {values} VALUES (?, ?, ?, ?, ?, ?, ?)", [*key, value])


def unset_tags(session: Session, domain: str, target: Name, reader: Reader) -> Result:
    """Parse ``tag, ...`` and unset the tags."""
    database, schema, name = target
    while True:
        tag = session.resolve(reader.name(), "UNSET TAG")
        session.duck.execute(
            f"DELETE FROM {session.catalog(database, 'TAG_VALUES')} WHERE tag_schema = ? AND tag_name = ? "
            "AND domain = ? AND schema_name = ? AND object_name = ?",
            [tag[1], tag[2], domain, schema, name],
        )
        if not reader.accept(","):
            break
    reader.end()
    return status("Statement executed successfully.")


def _check(session: Session, tag: Name, value: str) -> None:
    import json

    row = session.duck.execute(
        f"SELECT allowed FROM {session.catalog(tag[0], 'TAGS')} WHERE schema_name = ? AND name = ?",
        list(tag[1:]),
    ).fetchone()
    if row is None:
        raise errors.missing("Tag", ".".join(tag))
    if len(value) > _MAX_VALUE:
        raise errors.error(
            391801, "22023", f"Tag value exceeds the maximum length of {_MAX_VALUE} characters"
        )
    if row[0] and value not in json.loads(row[0]):
        raise errors.error(
            391825, "22023", f"Tag value '{value}' is not an allowed value of the tag {tag[2]}"
        )
