"""SQL statements in a block: where they end, and their INTO clause."""

from __future__ import annotations

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.scripting.nodes import ExecuteImmediate, Query, Sql
from snowpipe_ml.local.scripting.source import Source
from snowpipe_ml.local.syntax.script import end_of_statement

# The first words of a statement in parentheses; other parentheses belong to an expression.
_VERBS = (
    *(
        "SELECT",
        "WITH",
        "SHOW",
        "DESCRIBE",
        "DESC",
        "CALL",
        "EXECUTE",
        "LIST",
        "LS",
        "INSERT",
        "UPDATE",
        "DELETE",
    ),
    *("MERGE", "COPY", "GET", "PUT", "VALUES", "EXPLAIN"),
)


def at_execute_immediate(source: Source) -> bool:
    """Return whether EXECUTE IMMEDIATE follows; EXECUTE IMMEDIATE FROM runs without the variables."""
    return source.looking_at("EXECUTE", "IMMEDIATE") and not source.looking_at("EXECUTE", "IMMEDIATE", "FROM")


def read_execute_immediate(source: Source) -> ExecuteImmediate:
    """Parse ``EXECUTE IMMEDIATE text [INTO variables] [USING (...)]``."""
    place = source.place
    source.expect("EXECUTE", "IMMEDIATE")
    text = source.expression("USING", "INTO")
    into = source.variables() if source.accept("INTO") else ()
    return ExecuteImmediate(text, source.using(), place, into)


def read_query(source: Source) -> Query | None:
    """Parse ``(query)``; None for the parentheses of an expression."""
    if not source.looking_at("(") or source.peek(1).upper not in _VERBS:
        return None
    source.expect("(")
    if at_execute_immediate(source):
        query: Query = read_execute_immediate(source)
    else:
        place, begin = source.place, source.index
        source.skip_to(")")
        query = Sql(source.between(begin), place)
    source.expect(")")
    return query


def read_sql(source: Source, *_: str) -> Sql:
    """Parse a statement up to its semicolon."""
    place, begin = source.place, source.index
    if source.looking_at(";"):
        raise source.unexpected("expected a statement")
    end = end_of_statement(source.tokens, begin)
    into: tuple[str, ...] = ()
    pieces, start = [], source.tokens[begin].start
    if source.peek().upper in ("SELECT", "WITH", "CALL"):
        depth = 0
        while source.index < end:
            word = source.peek().upper
            depth += (word == "(") - (word == ")")
            if depth == 0 and word == "INTO":
                pieces.append(source.text[start : source.peek().start])
                source.next()
                into = source.variables()
                start = source.peek().start
                break
            source.next()
    source.index = end
    if not source.done and not source.looking_at(";"):
        raise errors.syntax("a statement in a block ends with a semicolon")
    last = source.tokens[end - 1].end
    pieces.append(source.text[start:last] if start < last else "")
    return Sql("".join(pieces).strip(), place, into)
