"""Parse declarations: variables, cursors, RESULTSETs and exceptions, in DECLARE and after LET.

https://docs.snowflake.com/en/sql-reference/snowflake-scripting/declare
"""

from __future__ import annotations

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.scripting.nodes import (
    Declaration,
    Declare,
    DeclareCursor,
    DeclareException,
    DeclareResultSet,
    Place,
)
from snowpipe_ml.local.scripting.source import Source
from snowpipe_ml.local.scripting.sql import at_execute_immediate, read_execute_immediate, read_query, read_sql
from snowpipe_ml.sql import DataType

_KINDS = ("CURSOR", "RESULTSET", "EXCEPTION")
_NUMBER, _LOWEST, _HIGHEST = -20000, -20999, -20000


def at_declaration(source: Source) -> bool:
    """Return whether ``name CURSOR``, ``name RESULTSET`` or ``name EXCEPTION`` follows."""
    return source.peek().kind == "word" and source.peek(1).upper in _KINDS


def read_declaration(source: Source, name: str, place: Place) -> Declaration:
    """Parse a declaration behind its name."""
    if source.accept("CURSOR"):
        source.expect("FOR")
        return _cursor(source, name, place)
    if source.accept("RESULTSET"):
        if not (source.accept("DEFAULT") or source.accept_assignment()):
            return DeclareResultSet(name, None, place)
        if source.looking_at("ASYNC"):
            raise errors.UnsupportedError(
                "ASYNC in Snowflake Scripting", "Run the statements one after another"
            )
        query = read_query(source)
        if query is None:
            raise source.unexpected("expected a statement in parentheses")
        return DeclareResultSet(name, query, place)
    if source.accept("EXCEPTION"):
        return _exception(source, name, place)
    if source.looking_at("PROCEDURE"):
        raise errors.UnsupportedError(
            "a procedure that is declared in a block", "Create it with CREATE PROCEDURE"
        )
    return _variable(source, name, place)


def _variable(source: Source, name: str, place: Place) -> Declare:
    begin = source.index
    while not source.done and not (
        source.looking_at(";") or source.looking_at("DEFAULT") or source.looking_at_assignment()
    ):
        source.next()
    text = source.between(begin) if source.index > begin else ""
    value = None
    if source.accept("DEFAULT") or source.accept_assignment():
        value = source.expression(";")
    if not text and value is None:
        raise source.unexpected("expected a type or a value")
    return Declare(name, _type(source, text) if text else None, value, place)


def _type(source: Source, text: str) -> DataType:
    try:
        return DataType.parse(text)
    except ValueError as error:
        known = text.split("(")[0].strip().upper() in ("OBJECT", "ARRAY", "MAP", "INTERVAL", "FILE", "XML")
        if known:
            raise errors.UnsupportedError(f"the type {text} of a variable") from error
        raise errors.syntax(f"Unsupported data type '{text.upper()}'.") from error


def _cursor(source: Source, name: str, place: Place) -> DeclareCursor:
    if source.peek().kind in ("word", "quoted") and source.peek(1).text == ";":
        return DeclareCursor(name, None, source.identifier(), place)
    if at_execute_immediate(source):
        return DeclareCursor(name, read_execute_immediate(source), "", place)
    return DeclareCursor(name, read_sql(source), "", place)


def _exception(source: Source, name: str, place: Place) -> DeclareException:
    if not source.accept("("):
        return DeclareException(name, _NUMBER, "", place)
    number = source.integer()
    if not _LOWEST <= number <= _HIGHEST:
        raise errors.syntax(f"Invalid error code '{number}'. Must be between {_LOWEST} and {_HIGHEST}")
    source.expect(",")
    message = source.string()
    source.expect(")")
    return DeclareException(name, number, message, place)
