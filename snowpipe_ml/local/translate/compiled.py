"""Translate a statement, and keep its temporary relations and stream offsets while it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from sqlglot import exp

from snowpipe_ml.local.catalog.streams import advance
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.passes import new_compiler

_MISSING_TABLE = re.compile(r"Table with name (\S+?) does not exist", re.I)

# Marks a translated statement that can run again later: see Compiler.is_lasting.
LASTING = "snowpipe_lasting"


@contextmanager
def compiled(
    session: Session, tree: exp.Expr, params: Params = None, *, describing: bool = False
) -> Iterator[exp.Expr]:
    """Translate a tree for DuckDB; the Arrow tables and views it refers to exist until the block ends."""
    compiler = new_compiler(session, describing=describing)
    try:
        with missing_as_written(tree):
            statement = compiler.compile(tree, params)
            statement.meta[LASTING] = compiler.is_lasting
            with consuming(session, compiler):
                yield statement
    finally:
        compiler.release()


@contextmanager
def missing_as_written(tree: exp.Expr) -> Iterator[None]:
    """Translate and run a statement; report a table that does not exist by the name that the statement has for it."""
    written = {table.name.upper(): ".".join(map(_stored, table.parts)) for table in nodes(tree, exp.Table)}
    try:
        yield
    except duckdb.CatalogException as raised:
        found = _MISSING_TABLE.search(str(raised))
        if found and "." in written.get(found.group(1).upper(), ""):
            raise errors.missing("Object", written[found.group(1).upper()]) from raised
        raise


def _stored(identifier: exp.Expr) -> str:
    return identifier.name if identifier.args.get("quoted") else identifier.name.upper()


@contextmanager
def consuming(session: Session, compiler: Compiler) -> Iterator[None]:
    """Run a statement and advance the offsets of the streams that it consumes, in one transaction."""
    if not compiler.consumed:
        yield
        return
    with together(session):
        yield
        advance(session, compiler.consumed)


@contextmanager
def together(session: Session) -> Iterator[None]:
    """Run several statements in one transaction: the open one, or a new one."""
    with in_transaction(session):
        outer, session.in_transaction = session.in_transaction, True
        try:
            yield
            if not outer:
                for act in session.at_commit.values():
                    act()
        finally:
            session.in_transaction = outer
            if not outer:
                session.at_commit.clear()
