"""COMMENT ON."""

from __future__ import annotations

import dataclasses

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.catalog.functions import find_one
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.transactions import retry_conflicts
from snowpipe_ml.local.python.definition import read_signature
from snowpipe_ml.local.python.registry import functions_of
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.sql import Literal

_DONE = "Statement executed successfully."


@command("COMMENT")
def comment(statement: Statement) -> Result:
    """``COMMENT [IF EXISTS] ON kind name IS 'text'``."""
    session, reader = statement.session, statement.reader
    reader.expect("COMMENT")
    lenient = reader.accept("IF", "EXISTS")
    reader.expect("ON")
    kind = reader.next().upper
    name = reader.name()
    if kind == "COLUMN":
        table = session.resolve(name[:-1], "COMMENT")
        if name[-1] not in {stored.name for stored in stored_columns(session, table)}:
            if lenient:
                return status(_DONE)
            raise errors.invalid_identifier(name[-1])
        reader.expect("IS")
        text = f"COMMENT ON COLUMN {quoted(*table, name[-1])} IS {literal(reader.string())}"
        retry_conflicts(session, lambda: session.duck.execute(text))
    elif kind in ("TABLE", "VIEW"):
        target = session.resolve(name)
        if existing_kind(session, target) != kind or session.hidden(target):
            if lenient:
                return status(_DONE)
            raise errors.missing(kind.capitalize(), ".".join(target))
        reader.expect("IS")
        text = f"COMMENT ON {kind} {quoted(*target)} IS {literal(reader.string())}"
        retry_conflicts(session, lambda: session.duck.execute(text))
    elif kind in ("STAGE", "STREAM", "SCHEMA", "DATABASE", "WAREHOUSE"):
        reader.expect("IS")
        if_exists = "IF EXISTS " if lenient else ""
        written = ".".join(f'"{part.replace(chr(34), chr(34) * 2)}"' for part in name)
        statement.run(f"ALTER {kind} {if_exists}{written} SET COMMENT = {Literal(reader.string()).sql}")
    elif kind in ("FUNCTION", "PROCEDURE"):
        definition = find_one(session, kind, name, read_signature(reader))
        reader.expect("IS")
        definition = dataclasses.replace(definition, comment=reader.string())
        functions_of(session.storage).update(session, definition)
    else:
        raise errors.UnsupportedError(f"COMMENT ON {kind}")
    reader.end()
    return status(_DONE)
