"""Statements of the embedded warehouse: CREATE NOTE, SHOW NOTES and DROP NOTE."""

from __future__ import annotations

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.statements.base import Statement, command

_NOTES: dict[str, str] = {}


@command("CREATE NOTE")
def create_note(statement: Statement) -> Result:
    """``CREATE NOTE name AS 'text'``."""
    reader = statement.reader
    reader.expect("CREATE", "NOTE")
    (name,) = reader.name()
    reader.expect("AS")
    _NOTES[name] = reader.string()
    reader.end()
    return status(f"Note {name} successfully created.")


@command("SHOW NOTES")
def show_notes(statement: Statement) -> Result:
    """``SHOW NOTES``."""
    return rows([("name", "VARCHAR"), ("text", "VARCHAR")], sorted(_NOTES.items()))


@command("DROP NOTE")
def drop_note(statement: Statement) -> Result:
    """``DROP NOTE name``."""
    reader = statement.reader
    reader.expect("DROP", "NOTE")
    (name,) = reader.name()
    reader.end()
    if _NOTES.pop(name, None) is None:
        raise errors.missing("Note", name)
    return status(f"{name} successfully dropped.")
