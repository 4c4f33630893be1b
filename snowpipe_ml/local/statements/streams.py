"""Streams on tables, views and stages: the changes since a DML statement last read the stream.

Each statement that changes a table adds its changes to the table's streams. METADATA$ROW_ID is refused: DuckDB's
rows have no number that lasts.
https://docs.snowflake.com/en/user-guide/streams-intro
"""

from __future__ import annotations

from snowpipe_ml.local.catalog.directories import directory_table
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.properties import COMMENT, set_property
from snowpipe_ml.local.catalog.stages import named_stage
from snowpipe_ml.local.catalog.streams import Streams, changes_at, create, find_stream, stream_property
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, claim, if_not_exists
from snowpipe_ml.local.syntax.reader import Reader


@command("CREATE STREAM")
def create_stream(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] STREAM [IF NOT EXISTS] name ON TABLE | VIEW | STAGE x [AT (STREAM => 's')] options``.

    https://docs.snowflake.com/en/sql-reference/sql/create-stream
    """
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("STREAM")
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), "CREATE STREAM")
    copy_grants = reader.accept("COPY", "GRANTS")
    reader.expect("ON")
    kind = reader.next().upper
    if kind not in ("TABLE", "VIEW", "STAGE"):
        raise errors.UnsupportedError(f"streams on a {kind}")
    of = session.resolve(reader.name(), "CREATE STREAM")
    at = _offset(session, reader)
    options = reader.options()
    reader.end()
    allowed = {"COMMENT"} if kind == "STAGE" else {"APPEND_ONLY", "SHOW_INITIAL_ROWS", "COMMENT"}
    for key in options:
        if key == "INSERT_ONLY" and kind == "TABLE":
            raise errors.UnsupportedError(f"{key} of a stream")
        if key not in allowed:
            raise errors.invalid_property(key, "STREAM")
    if of[0] != name[0]:
        raise errors.UnsupportedError(f"a stream in another database than its {kind.lower()}")
    label = None
    if kind == "STAGE":
        label, of = ".".join(of), directory_table(session, named_stage(session, of))
    elif existing_kind(session, of) != kind:
        raise errors.missing(kind.capitalize(), ".".join(of))
    other = existing_kind(session, name)
    if other is not None:
        raise errors.exists_as(name[2], other)
    initial_rows = bool(options.get("SHOW_INITIAL_ROWS"))
    if at is not None and initial_rows:
        raise errors.UnsupportedError("SHOW_INITIAL_ROWS of a stream with AT (STREAM => ...)")
    append_only = bool(options.get("APPEND_ONLY"))
    with session.storage.naming(name):
        made = modifiers.replace or not Streams().exists(session, name)
        # The replaced stream may be the one whose offset is kept.
        kept = changes_at(session, at, of, append_only) if at is not None and made else None
        there = claim(
            session,
            Streams(),
            name,
            replace=modifiers.replace,
            lenient=lenient,
            copy_grants=copy_grants,
        )
        if there is not None:
            return there
        create(
            session,
            name,
            kind,
            of,
            append_only=append_only,
            initial_rows=initial_rows,
            kept=kept,
            label=label,
        )
        set_property(session, stream_property(name), COMMENT, text_option(options, "COMMENT"))
    return status(f"Stream {name[2]} successfully created.")


def _offset(session: Session, reader: Reader) -> Name | None:
    """Parse ``AT (STREAM => 'name')``; return None if there is none.

    Raises:
        UnsupportedError: the offset is another one; the embedded warehouse keeps no earlier rows of a table.
    """
    word = reader.peek().upper
    if word not in ("AT", "BEFORE"):
        return None
    reader.next()
    reader.expect("(")
    kind = reader.next().upper
    if (word, kind) != ("AT", "STREAM"):
        raise errors.UnsupportedError(f"{word} ({kind} => ...) of a stream")
    reader.expect("=>")
    at = session.resolve(Reader(reader.string()).name(), "CREATE STREAM")
    reader.expect(")")
    return at


@command("ALTER STREAM")
def alter_stream(statement: Statement) -> Result:
    """``ALTER STREAM [IF EXISTS] name SET COMMENT = 'x' | UNSET COMMENT``.

    https://docs.snowflake.com/en/sql-reference/sql/alter-stream
    """
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("ALTER", "STREAM")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "ALTER STREAM")
    done = status("Statement executed successfully.")
    if find_stream(session, name) is None:
        if lenient:
            return done
        raise errors.missing("Stream", ".".join(name))
    unset = reader.accept("UNSET")
    if not unset:
        reader.expect("SET")
    if reader.looking_at("TAG"):
        raise errors.UnsupportedError("a tag of a stream")
    if unset:
        reader.expect("COMMENT")
        text = None
    else:
        options = reader.options()
        for key in options:
            if key != "COMMENT":
                raise errors.invalid_property(key, "STREAM")
        text = text_option(options, "COMMENT")
    reader.end()
    set_property(session, stream_property(name), COMMENT, text)
    return done


@command("DESCRIBE STREAM", "DESC STREAM")
def describe_stream(statement: Statement) -> Result:
    """``DESCRIBE STREAM name``: its row of SHOW STREAMS.

    https://docs.snowflake.com/en/sql-reference/sql/desc-stream
    """
    session, reader = statement.session, statement.reader
    reader.next()
    reader.expect("STREAM")
    name = session.resolve(reader.name(), "DESCRIBE STREAM")
    reader.end()
    found = [row for schema, stream, row in Streams().rows(session, name[0]) if (schema, stream) == name[1:]]
    if not found:
        raise errors.missing("Stream", ".".join(name))
    return rows([(column, kind) for column, kind, _ in Streams.shown], found)
