"""Parse the text of a block to a tree: control flow, jumps and cursors; declarations are in declarations.py.

https://docs.snowflake.com/en/sql-reference-snowflake-scripting
"""

from __future__ import annotations

from functools import lru_cache

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.scripting import nodes
from snowpipe_ml.local.scripting.declarations import at_declaration, read_declaration
from snowpipe_ml.local.scripting.source import Source
from snowpipe_ml.local.scripting.sql import at_execute_immediate, read_execute_immediate, read_query, read_sql

_ASYNCHRONOUS = ("ASYNC", "AWAIT", "CANCEL")
_ENDS_OF_LOOPS = {
    "WHILE": ("WHILE", "LOOP"),
    "FOR": ("FOR", "LOOP"),
    "LOOP": ("LOOP",),
    "REPEAT": ("REPEAT",),
}


@lru_cache(maxsize=256)
def parse_block(text: str) -> nodes.Block:
    """Parse a block.

    Raises:
        ProgrammingError: the block has a syntax error.
        UnsupportedError: it uses a part of Snowflake Scripting that is not supported.
    """
    source = Source(text)
    block = _block(source)
    if not source.done:
        raise source.unexpected()
    return block


def _block(source: Source) -> nodes.Block:
    """Parse ``[DECLARE ...] BEGIN ... [EXCEPTION ...] END [label]``; the semicolon behind it is left."""
    place = source.place
    declarations = []
    if source.accept("DECLARE"):
        while not source.looking_at("BEGIN"):
            declarations.append(read_declaration(source, source.identifier(), source.last))
            source.expect(";")
    source.expect("BEGIN")
    body = _statements(source, "EXCEPTION", "END")
    handlers = _handlers(source) if source.accept("EXCEPTION") else ()
    source.expect("END")
    _label(source)
    return nodes.Block(tuple(declarations), body, handlers, place)


def _handlers(source: Source) -> tuple[nodes.Handler, ...]:
    found = []
    while source.accept("WHEN"):
        names = [source.identifier()]
        while source.accept("OR"):
            names.append(source.identifier())
        resumes = source.accept("CONTINUE")
        if not resumes:
            source.accept("EXIT")
        source.expect("THEN")
        found.append(nodes.Handler(tuple(names), _statements(source, "WHEN", "END"), resumes))
    if not found:
        raise source.unexpected("expected WHEN")
    return tuple(found)


def _statements(source: Source, *ends: str) -> tuple[nodes.Statement, ...]:
    """Parse the statements before one of the words; there is at least one."""
    found = []
    while not any(source.looking_at(end) for end in ends):
        found.append(_statement(source))
        source.expect(";")
    if not found:
        raise source.unexpected("expected a statement")
    return tuple(found)


def _statement(source: Source) -> nodes.Statement:
    place = source.place
    word = source.peek().upper
    if source.peek().kind in ("word", "quoted") and source.looking_at_assignment(1):
        return _assignment(source, place)
    match word:
        case "BEGIN" | "DECLARE" if not source.begins_transaction():
            return _block(source)
        case "LET":
            return _let(source, place)
        case "IF":
            return _if(source, place)
        case "CASE":
            return _case(source, place)
        case "FOR":
            return _for(source, place)
        case "WHILE" | "REPEAT" | "LOOP":
            return _loop(source, place)
        case "BREAK" | "EXIT" | "CONTINUE" | "ITERATE":
            source.next()
            return nodes.Jump(word in ("CONTINUE", "ITERATE"), _label(source), place)
        case "RETURN":
            return _return(source, place)
        case "NULL":
            source.next()
            return nodes.Null(place)
        case "RAISE":
            source.next()
            return nodes.Raise("" if source.looking_at(";") else source.identifier(), place)
        case "OPEN" | "FETCH" | "CLOSE":
            return _cursor(source, place)
    if word in _ASYNCHRONOUS:
        raise errors.UnsupportedError(
            f"{word} in Snowflake Scripting", "Run the statements one after another"
        )
    if at_execute_immediate(source):
        return read_execute_immediate(source)
    if at_declaration(source):
        raise source.unexpected("a declaration after BEGIN starts with LET")
    return read_sql(source, ";")


def _let(source: Source, place: nodes.Place) -> nodes.Declaration:
    """Parse ``LET name ...``; in contrast to DECLARE, a variable needs a value."""
    source.expect("LET")
    declared = read_declaration(source, source.identifier(), place)
    if isinstance(declared, nodes.Declare) and declared.value is None:
        raise source.unexpected("LET needs a value")
    return declared


def _assignment(source: Source, place: nodes.Place) -> nodes.Assign:
    name = source.identifier()
    source.accept_assignment()
    if source.looking_at("ASYNC"):
        raise errors.UnsupportedError("ASYNC in Snowflake Scripting", "Run the statements one after another")
    begin = source.index
    query = read_query(source)
    source.index = begin
    return nodes.Assign(name, source.expression(";"), query, place)


def _condition(source: Source) -> nodes.Expression:
    """Parse a condition, which stands in parentheses."""
    if not source.looking_at("("):
        raise source.unexpected("expected the condition in parentheses")
    return source.expression("THEN", "DO", "LOOP", "END")


def _if(source: Source, place: nodes.Place) -> nodes.If:
    branches = []
    source.expect("IF")
    while True:
        condition = _condition(source)
        source.expect("THEN")
        branches.append(nodes.Branch(condition, _statements(source, "ELSEIF", "ELSE", "END")))
        if not source.accept("ELSEIF"):
            break
    otherwise = _statements(source, "END") if source.accept("ELSE") else ()
    source.expect("END", "IF")
    return nodes.If(tuple(branches), otherwise, place)


def _case(source: Source, place: nodes.Place) -> nodes.If | nodes.Case:
    source.expect("CASE")
    value = None if source.looking_at("WHEN") else source.expression("WHEN")
    branches = []
    while source.accept("WHEN"):
        condition = source.expression("THEN")
        source.expect("THEN")
        branches.append(nodes.Branch(condition, _statements(source, "WHEN", "ELSE", "END")))
    if not branches:
        raise source.unexpected("expected WHEN")
    otherwise = _statements(source, "END") if source.accept("ELSE") else ()
    source.expect("END")
    source.accept("CASE")
    if value is None:
        return nodes.If(tuple(branches), otherwise, place)
    return nodes.Case(value, tuple(branches), otherwise, place)


def _for(source: Source, place: nodes.Place) -> nodes.ForCounter | nodes.ForRows:
    source.expect("FOR")
    name = source.identifier()
    source.expect("IN")
    reverse = source.accept("REVERSE")
    if not reverse and source.peek(1).upper in ("DO", "LOOP"):
        rows = source.identifier()
        body, label = _loop_body(source, "FOR")
        return nodes.ForRows(name, rows, body, label, place)
    start = source.expression("TO")
    source.expect("TO")
    end = source.expression("DO", "LOOP")
    body, label = _loop_body(source, "FOR")
    return nodes.ForCounter(name, start, end, reverse, body, label, place)


def _loop_body(source: Source, kind: str) -> tuple[tuple[nodes.Statement, ...], str]:
    """Parse ``DO ... END FOR [label]``."""
    if not source.accept("DO"):
        source.expect("LOOP")
    body = _statements(source, "END")
    return body, _end_of_loop(source, kind)


def _end_of_loop(source: Source, kind: str) -> str:
    source.expect("END")
    if not any(source.accept(word) for word in _ENDS_OF_LOOPS[kind]):
        raise source.unexpected(f"expected END {kind}")
    return _label(source)


def _loop(source: Source, place: nodes.Place) -> nodes.Loop:
    kind = source.next().upper
    if kind == "WHILE":
        condition = _condition(source)
        body, label = _loop_body(source, kind)
        return nodes.Loop(condition, None, body, label, place)
    if kind == "LOOP":
        body = _statements(source, "END")
        return nodes.Loop(None, None, body, _end_of_loop(source, kind), place)
    body = _statements(source, "UNTIL")
    source.expect("UNTIL")
    until = _condition(source)
    return nodes.Loop(None, until, body, _end_of_loop(source, kind), place)


def _label(source: Source) -> str:
    return source.identifier() if source.peek().kind in ("word", "quoted") else ""


def _return(source: Source, place: nodes.Place) -> nodes.Return | nodes.ReturnTable:
    source.expect("RETURN")
    if source.looking_at(";"):
        return nodes.Return(None, place)
    if not source.accept("TABLE", "("):
        return nodes.Return(source.expression(";"), place)
    cursor = source.accept("RESULTSET_FROM_CURSOR", "(")
    name = source.identifier()
    if cursor:
        source.expect(")")
    source.expect(")")
    return nodes.ReturnTable(name, cursor, place)


def _cursor(source: Source, place: nodes.Place) -> nodes.Open | nodes.Fetch | nodes.Close:
    word = source.next().upper
    name = source.identifier()
    if word == "CLOSE":
        return nodes.Close(name, place)
    if word == "OPEN":
        return nodes.Open(name, source.using(), place)
    source.expect("INTO")
    return nodes.Fetch(name, source.variables(), place)
