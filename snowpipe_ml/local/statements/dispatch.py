"""Find the handler of a statement by its first words, and run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import IO

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Params

# Importing a module registers its statements and functions; plugins add theirs through entry points.
from snowpipe_ml.local.files import directory, infer_schema, relation  # noqa: F401
from snowpipe_ml.local.python import calls, sql_queries  # noqa: F401
from snowpipe_ml.local.statements import (  # noqa: F401
    account,
    account_usage,
    alterations,
    comment,
    copy_into_location,
    copy_into_table,
    databases,
    dynamic_tables,
    explain,
    file_formats,
    functions,
    functions_show,
    grants,
    grants_show,
    key_listings,
    objects,
    procedures,
    scripting,
    sequences,
    shows,
    staged_scripts,
    stages,
    streamlits,
    streams,
    table_relations,
    tables,
    tags,
    task_graphs,
    task_relations,
    tasks,
    transactions,
    transfers,
    undrop,
    users,
    validate,
    views,
)
from snowpipe_ml.local.statements import session as session_statements  # noqa: F401
from snowpipe_ml.local.statements.access import check_access, record_owner
from snowpipe_ml.local.statements.base import BINDING, DESCRIPTIONS, STATEMENTS, Handler, Statement
from snowpipe_ml.local.statements.compute import check_warehouse
from snowpipe_ml.local.statements.documented import unserved
from snowpipe_ml.local.statements.inserted_rows import insert_bound_rows
from snowpipe_ml.local.statements.pipes import chained, run_chain
from snowpipe_ml.local.statements.queries import describe_query, run_query
from snowpipe_ml.local.statements.several import check_single
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.syntax.script import FIRST_WORD
from snowpipe_ml.local.translate.bindings import text as bound_text

# Words between CREATE and the kind of object that do not change the kind.
_CREATE_MODIFIERS = {
    "OR",
    "REPLACE",
    "ALTER",
    "TEMPORARY",
    "TEMP",
    "SCOPED",
    "TRANSIENT",
    "VOLATILE",
    "LOCAL",
    "GLOBAL",
    "SECURE",
    "AGGREGATE",
    "EXTERNAL",
}

# Commands that change no object.
_READING = {"SHOW", "DESCRIBE", "DESC", "LIST", "LS", "EXPLAIN", "GET", "BEGIN", "START", "USE"}

_UNBOUND = object()


def _find(reader: Reader) -> Handler | None:
    """Find the handler of a statement.

    Raises:
        UnsupportedError: Snowflake has the statement, but no handler serves it.
    """
    words = [token.upper for token in reader.tokens[:12] if token.kind == "word"]
    first = words
    if words[:1] == ["WITH"]:  # a query, unless it is WITH x AS PROCEDURE ... CALL x()
        return STATEMENTS["WITH"] if [t.upper for t in reader.tokens[2:4]] == ["AS", "PROCEDURE"] else None
    if words[:1] == ["CREATE"]:
        kind = [word for word in words[1:] if word not in _CREATE_MODIFIERS]
        words = ["CREATE", *kind]
    if first[:3] == ["CREATE", "OR", "REPLACE"]:
        _check_not_lenient(reader)
    for length in (3, 2, 1):
        served = " ".join(words[:length])
        handler = STATEMENTS.get(served)
        if handler:
            refused = unserved(first, served if length > 1 else None)
            if refused is not None and (length > 1 or first[0] not in ("SHOW", "DESC", "DESCRIBE")):
                raise errors.UnsupportedError(f"the statement {refused}")
            return handler
    refused = unserved(first, None)
    if refused is not None:
        raise errors.UnsupportedError(f"the statement {refused}")
    return None


def _check_not_lenient(reader: Reader) -> None:
    """Refuse ``CREATE OR REPLACE ... IF NOT EXISTS``: the two clauses exclude each other."""
    for i, token in enumerate(reader.tokens[:8]):
        if token.kind != "word":
            return
        if [each.upper for each in reader.tokens[i : i + 3]] == ["IF", "NOT", "EXISTS"]:
            raise errors.compilation("options OR REPLACE and IF NOT EXISTS exclude each other")


def run(
    session: Session,
    text: str,
    params: Params,
    query_id: str,
    file_stream: IO[bytes] | None,
) -> Result:
    """Run one statement.

    Raises:
        ProgrammingError: the statement failed, as it would on Snowflake.
    """
    statements = chained(text)
    if statements:
        if params:
            raise errors.compilation("Bind variables are not supported with the pipe operator.")
        return run_chain(session, statements)
    check_warehouse(session, text)
    check_access(session, text)
    first = FIRST_WORD.match(text)
    if first and first.group(1).upper() in ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES"):
        return run_query(session, text, params, query_id)
    reader = Reader(text)
    if reader.done:
        raise errors.error(900, "42601", "SQL compilation error:\nEmpty SQL statement.")
    check_single(reader)
    handler = _find(reader)
    if handler is None:
        return run_query(session, text, params, query_id)
    text = _named(session, reader)
    if params and handler not in BINDING:
        reader = Reader(_bind(text, params))
    elif text != reader.text:
        reader = Reader(text)
    if params and handler in (STATEMENTS["CREATE VIEW"], STATEMENTS["CREATE FUNCTION"]):
        raise errors.compilation("Bind variables not allowed in view and UDF definitions.")

    def run_inner(text: str, params: Params = None) -> Result:
        return run(session, text, params, query_id, None)

    statement = Statement(session, text, reader, query_id, file_stream, run_inner, params=params)
    try:
        result = handler(statement)
        record_owner(session, text)
        return result
    finally:
        if not _leaves_objects(reader):
            session.storage.catalog_version += 1


def _named(session: Session, reader: Reader) -> str:
    """Return a command with the values of the variables in ``IDENTIFIER($name)``."""
    pieces, position = [], 0
    for i, token in enumerate(reader.tokens[:-3]):
        mark, name, after = reader.tokens[i + 1 : i + 4] if token.upper == "IDENTIFIER" else (token,) * 3
        if (mark.text, name.text, after.kind) == ("(", "$", "word"):
            value = session.variables.get(after.upper)
            if not isinstance(value, str):
                raise errors.error(
                    2211, "42601", f"SQL compilation error:\nSession variable '${after.upper}' does not exist"
                )
            pieces += [reader.text[position : name.start], literal(value)]
            position = after.end
    return "".join(pieces) + reader.text[position:]


def _leaves_objects(reader: Reader) -> bool:
    """Return whether a statement changes no object of the catalog; the settings are part of ``Session.state``."""
    first, second = ([token.upper for token in reader.tokens[:2]] + [""])[:2]
    return first in _READING or (first, second) == ("ALTER", "SESSION")


def _bind(text: str, params: Sequence[object] | Mapping[str, object]) -> str:
    """Replace ``?``, ``:1`` and ``:name`` in a command by literals, but not inside strings or comments.

    Raises:
        ProgrammingError: a value is missing.
    """
    tokens = Reader(text).tokens
    given = params if isinstance(params, Mapping) else {str(i + 1): value for i, value in enumerate(params)}
    by_order = iter(given.values())
    pieces, position = [], 0
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.text == "?":
            value, end = next(by_order, _UNBOUND), token.end
        elif (
            token.text == ":"
            and following is not None
            and following.start == token.end
            and (following.text in given)
        ):
            value, end = given[following.text], following.end
        else:
            continue
        if value is _UNBOUND:
            raise errors.error(2049, "42601", "SQL compilation error:\nBind variable ? not set.")
        pieces += [text[position : token.start], bound_text(value)]
        position = end
    return "".join(pieces) + text[position:]


def describe(session: Session, text: str, params: Params = None) -> list[Column]:
    """Return the columns of a statement's result without running it.

    Raises:
        UnsupportedError: the statement is a chain, whose last statement reads the results of the others.
    """
    if chained(text):
        raise errors.UnsupportedError("the description of a chain of statements before it runs")
    check_access(session, text)
    reader = Reader(text)
    handler = _find(reader) if not reader.done else None
    if handler is None:
        return describe_query(session, text, params)
    first = reader.peek().upper
    if first in ("SHOW", "LIST", "LS", "DESCRIBE", "DESC"):
        return handler(Statement(session, text, reader, "")).columns
    described = DESCRIPTIONS.get(first)
    if described is not None:
        return described(Statement(session, text, reader, "", params=params))
    return [Column("status", "VARCHAR")]


def insert_many(session: Session, text: str, rows: Sequence[Sequence[object]], query_id: str) -> Result:
    """Run a statement with placeholders for many rows: an INSERT at once, any other row by row."""
    check_access(session, text)
    result = insert_bound_rows(session, text, rows)
    if result is not None:
        return result
    results = [run(session, text, row, query_id, None) for row in rows]
    if not results:
        raise errors.UnsupportedError("executemany without rows")
    counted = [each.rowcount for each in results if each.rowcount is not None]
    return replace(results[-1], rowcount=sum(counted) if counted else None)
