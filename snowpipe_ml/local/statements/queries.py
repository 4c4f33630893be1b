"""Queries and DML: parsed by sqlglot, translated, and run by DuckDB."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.result import Result, counts
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import with_wide_numbers
from snowpipe_ml.local.core.types import SHAPES, Column
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.statements.dml import _counted, _execute_count, _merge, _update, insert
from snowpipe_ml.local.statements.inserted_rows import insert_constants
from snowpipe_ml.local.statements.multi_inserts import insert_several
from snowpipe_ml.local.syntax.parsing import parse, unknown_statement
from snowpipe_ml.local.translate.compiled import LASTING, compiled
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.inference import UNKNOWN, Relation, infer
from snowpipe_ml.local.translate.names import (
    name_projections,
    store_identifiers,
)
from snowpipe_ml.local.translate.outputs import structures
from snowpipe_ml.local.translate.reuse import is_reusable


def run_query(session: Session, text: str, params: Params, query_id: str) -> Result:
    """Run a query or DML statement."""
    return with_wide_numbers(session, lambda: _run(session, text, params))


def _run(session: Session, text: str, params: Params) -> Result:
    state = session.state
    known = session.translations.find(text, state) if not params and not session.wide_numbers else None
    if known is not None:
        return _selected(session, *known)
    constants = insert_constants(session, text) if not params else None
    if constants is not None:
        return constants
    tree = parse(text)
    match tree:
        case exp.Query() | exp.Values():
            reusable = not params and not session.wide_numbers and is_reusable(tree, session)
            with compiled(session, tree, params) as query:
                shown = structures(query)
                translated = (to_sql(query, copy=False), shown)
                if reusable and query.meta[LASTING]:
                    session.translations.keep(text, state, translated)
                return _selected(session, *translated)
        case exp.Insert():
            return insert(session, tree, params)
        case exp.MultitableInserts():
            return insert_several(session, tree, text, params)
        case exp.Update():
            return _update(session, tree, params)
        case exp.Delete():
            return counts(deleted=_execute_count(session, tree, params))
        case exp.Merge():
            return _merge(session, tree, params)
        case exp.Describe():
            raise errors.UnsupportedError("this DESCRIBE")
    raise unknown_statement(text)


def _selected(session: Session, text: str, known: tuple[str | None, ...]) -> Result:
    columns, table = select(session, text)
    return Result(_structured([_formatted(column, session) for column in columns], known), table)


def _formatted(column: Column, session: Session) -> Column:
    """Note the session's output format of shapes."""
    of = SHAPES.get(column.duckdb)
    return (
        column
        if of is None
        else replace(column, output=str(session.parameters.get(f"{of}_OUTPUT_FORMAT", "GEOJSON")).upper())
    )


def _structured(columns: list[Column], known: tuple[str | None, ...]) -> list[Column]:
    """Note which JSON columns are known to be ARRAYs and OBJECTs."""
    if len(known) != len(columns) or not any(known):
        return columns
    return [
        replace(column, structure=structure) if column.duckdb == "JSON" else column
        for column, structure in zip(columns, known, strict=True)
    ]


def describe_query(session: Session, text: str, params: Params) -> list[Column]:
    """Return the columns of a query from DuckDB's DESCRIBE, without running it."""
    text, state = text.strip(), session.state
    known = session.descriptions.find(text, state) if not params else None
    if known is not None:
        return list(known)
    tree = parse(text)
    if not isinstance(tree, exp.Query | exp.Values):
        return [Column(name, "BIGINT", nullable=False) for name in _counted(tree)] or [
            Column("status", "VARCHAR")
        ]
    reusable = not params and is_reusable(tree, session)
    name_projections(tree)
    store_identifiers(tree)
    facts = infer(tree, session)
    with compiled(session, tree, params, describing=True) as query:
        shown = structures(query)
        translated = (to_sql(query, copy=False), shown)
        columns = described(session, *translated, facts)
        reusable = reusable and query.meta[LASTING]
    if reusable:  # Snowpark describes a query before it sends the query, or a statement that has it
        session.descriptions.keep(text, state, columns)
        if not session.wide_numbers:
            session.translations.keep(text, state, translated)
    return columns


def described(
    session: Session, translated: str, known: tuple[str | None, ...], facts: Relation
) -> list[Column]:
    """Return the columns of a translated query.

    Args:
        session: the session that has the query.
        translated: the query in DuckDB's SQL.
        known: for each column, whether it is an ARRAY or an OBJECT.
        facts: the inferred facts of the columns, if there are any.
    """
    found = session.duck.execute(f"DESCRIBE {translated}").fetchall()
    columns = _structured([Column(row[0].rstrip(errors.TWIN), row[1]) for row in found], known)
    if facts is None or len(facts) != len(columns):
        return columns
    return [
        replace(c, nullable=fact.nullable, length=fact.length, scale=fact.scale)
        for c, (name, of_name) in zip(columns, facts, strict=True)
        for fact in [of_name if name == c.name else UNKNOWN]
    ]
