"""The compiler's context: what a statement registers while it is translated and run."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import ErrorLevel
from sqlglot.errors import UnsupportedError as SqlglotUnsupported

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session

Translate = Callable[[exp.Expr, "Compiler", Any], exp.Expr]


class Compiler:
    """Turns one Snowflake statement into DuckDB's SQL.

    Python table functions run on the way, and their results take the place of the call, unless the
    statement is only described.

    Args:
        session: the session that runs the statement.
        translate: all passes, in order.
        describing: whether only the columns of the result are wanted.
        in_view: whether the statement is the query of a view.

    Attributes:
        consumed: the streams that the statement reads; if it is DML, their offsets move with it.
    """

    def __init__(
        self,
        session: Session,
        translate: Translate,
        *,
        describing: bool = False,
        in_view: bool = False,
    ) -> None:
        self.session = session
        self._translate = translate
        self.describing = describing
        self.in_view = in_view
        self.registered: list[str] = []
        self.views: list[str] = []
        self.consumed: list[tuple[Any, str, Any]] = []

    def compile(self, tree: exp.Expr, params: Any = None) -> exp.Expr:
        """Translate a tree in place, and return it."""
        return self._translate(tree, self, params)

    def nested(self, *, describing: bool) -> Compiler:
        """A compiler for a query that must run before this statement."""
        return Compiler(self.session, self._translate, describing=describing)

    def register(self, table: pa.Table) -> str:
        """Make an Arrow table readable in this statement, under a name of its own."""
        name = f"_arrow_{uuid.uuid4().hex}"
        self.session.duck.register(name, table)
        self.registered.append(name)
        return name

    def view(self, query: str) -> exp.Table:
        """A DuckDB query as a relation of this statement, out of the rewrites' reach."""
        name = f"_view_{uuid.uuid4().hex}"
        self.session.duck.execute(f"CREATE TEMP VIEW {name} AS {query}")
        self.views.append(name)
        return resolved_table(name)

    def release(self) -> None:
        """Forget the Arrow tables and views."""
        for name in self.registered:
            self.session.duck.unregister(name)
        for name in self.views:
            # In a transaction that has failed the view goes with it, and nothing can be run.
            with suppress(duckdb.TransactionException):
                self.session.duck.execute(f"DROP VIEW IF EXISTS {name}")
        self.registered.clear()
        self.views.clear()


def resolved_table(name: str) -> exp.Table:
    """A relation of DuckDB's own, which is not to be qualified."""
    table = exp.Table(this=exp.to_identifier(name, quoted=True))
    table.meta["resolved"] = True
    return table


def to_sql(tree: exp.Expr) -> str:
    """DuckDB's text of a rewritten tree.

    Raises:
        UnsupportedError: sqlglot would leave a part out.
    """
    try:
        return tree.sql(dialect="duckdb", unsupported_level=ErrorLevel.RAISE)
    except SqlglotUnsupported as error:
        raise errors.UnsupportedError(str(error).split("\n")[0]) from error
