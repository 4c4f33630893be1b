"""Object tags: CREATE TAG, SET TAG, SYSTEM$GET_TAG, TAG_REFERENCES.

https://docs.snowflake.com/en/user-guide/object-tagging/introduction
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snowpipe_ml.local import errors
from snowpipe_ml.local.objects import Modifiers, already_dropped, claim, dropped, if_not_exists
from snowpipe_ml.local.statements import Result, Statement, command, status
from snowpipe_ml.local.storage import dumps

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.reader import Reader

_MAX_VALUE = 256


@command("CREATE TAG")
def create_tag(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] TAG [IF NOT EXISTS] name [ALLOWED_VALUES 'a', ...] [COMMENT = 'x']``."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("TAG")
    lenient = if_not_exists(reader)
    database, schema, name = connection.resolve(reader.name(), "CREATE TAG")
    allowed: list[str] = []
    if reader.accept("ALLOWED_VALUES"):
        allowed.append(reader.string())
        while reader.accept(","):
            allowed.append(reader.string())
    options = reader.options()
    reader.end()
    tags = connection.catalog(database, "TAGS")
    with connection.storage.lock:
        there = claim(connection, tags, schema, name, replace=modifiers.replace, lenient=lenient)
        if there is not None:
            return there
        connection.duck.execute(
            f"INSERT INTO {tags} (schema_name, name, allowed, comment) VALUES (?, ?, ?, ?)",
            [schema, name, dumps(allowed) if allowed else None, options.get("COMMENT")],
        )
    return status(f"Tag {name} successfully created.")


@command("DROP TAG")
def drop_tag(statement: Statement) -> Result:
    """``DROP TAG [IF EXISTS] name``; its values go with it."""
    connection, reader = statement.connection, statement.reader
    reader.expect("DROP", "TAG")
    lenient = reader.accept("IF", "EXISTS")
    database, schema, name = connection.resolve(reader.name(), "DROP TAG")
    gone = connection.duck.execute(
        f"DELETE FROM {connection.catalog(database, 'TAGS')} WHERE schema_name = ? AND name = ? RETURNING 1",
        [schema, name],
    ).fetchall()
    if not gone and not lenient:
        raise errors.missing("Tag", name)
    connection.duck.execute(
        f"DELETE FROM {connection.catalog(database, 'TAG_VALUES')} WHERE tag_schema = ? AND tag_name = ?",
        [schema, name],
    )
    return dropped(name) if gone else already_dropped(name)


def set_tags(
    connection: Connection,
    domain: str,
    target: tuple[str, str, str],
    reader: Reader,
    column: str | None = None,
) -> Result:
    """Read ``tag = 'value', ...`` and set them on an object or a column."""
    database, schema, name = target
    while True:
        tag = connection.resolve(reader.name(), "SET TAG")
        reader.expect("=")
        value = reader.string()
        _check(connection, tag, value)
        values = connection.catalog(database, "TAG_VALUES")
        key = [tag[1], tag[2], domain, schema, name, column or ""]
        with connection.storage.lock:
            connection.duck.execute(
                f"DELETE FROM {values} WHERE tag_schema = ? AND tag_name = ? AND domain = ? "
                "AND schema_name = ? AND object_name = ? AND column_name = ?",
                key,
            )
            connection.duck.execute(f"INSERT INTO {values} VALUES (?, ?, ?, ?, ?, ?, ?)", [*key, value])
        if not reader.accept(","):
            break
    reader.end()
    return status("Statement executed successfully.")


def unset_tags(connection: Connection, domain: str, target: tuple[str, str, str], reader: Reader) -> Result:
    """Read ``tag, ...`` and unset them."""
    database, schema, name = target
    while True:
        tag = connection.resolve(reader.name(), "UNSET TAG")
        connection.duck.execute(
            f"DELETE FROM {connection.catalog(database, 'TAG_VALUES')} WHERE tag_schema = ? AND tag_name = ? "
            "AND domain = ? AND schema_name = ? AND object_name = ?",
            [tag[1], tag[2], domain, schema, name],
        )
        if not reader.accept(","):
            break
    reader.end()
    return status("Statement executed successfully.")


def _check(connection: Connection, tag: tuple[str, str, str], value: str) -> None:
    import json

    row = connection.duck.execute(
        f"SELECT allowed FROM {connection.catalog(tag[0], 'TAGS')} WHERE schema_name = ? AND name = ?",
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


def get_tag(connection: Connection, tag: str, name: str, domain: str) -> str | None:
    """``SYSTEM$GET_TAG('tag', 'object', 'domain')``: the value, or None where it is not set.

    The domain is TABLE for views too, and COLUMN for ``table.column``.
    """
    from snowpipe_ml.local.reader import Reader

    tag_name = connection.resolve(Reader(tag).name())
    parts = Reader(name).name()
    column = ""
    if domain.upper() == "COLUMN":
        parts, column = parts[:-1], parts[-1]
    database, schema, target = connection.resolve(parts)
    row = connection.duck.execute(
        f"SELECT tag_value FROM {connection.catalog(database, 'TAG_VALUES')} WHERE tag_schema = ? AND tag_name = ? "
        "AND domain = ? AND schema_name = ? AND object_name = ? AND column_name = ?",
        [tag_name[1], tag_name[2], "TABLE" if column else domain.upper(), schema, target, column],
    ).fetchone()
    return row[0] if row else None


def forget_tags(connection: Connection, name: tuple[str, str, str]) -> None:
    """Drop the tag values of an object that is dropped or replaced."""
    connection.duck.execute(
        f"DELETE FROM {connection.catalog(name[0], 'TAG_VALUES')} WHERE schema_name = ? AND object_name = ?",
        list(name[1:]),
    )


def copy_tags(connection: Connection, source: tuple[str, str, str], target: tuple[str, str, str]) -> None:
    """A clone keeps the tags of its source."""
    if source[0] == target[0]:
        values = connection.catalog(source[0], "TAG_VALUES")
        connection.duck.execute(
            f"INSERT INTO {values} SELECT tag_schema, tag_name, domain, ?, ?, column_name, tag_value "
            f"FROM {values} WHERE schema_name = ? AND object_name = ?",
            [*target[1:], *source[1:]],
        )
