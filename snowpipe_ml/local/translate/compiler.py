"""The context of a translation: the relations that a statement registers until it has run."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress

import duckdb
import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import ErrorLevel
from sqlglot.errors import UnsupportedError as SqlglotUnsupported

from snowpipe_ml.local.catalog.streams import Stream
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.collection import collector_paused
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.syntax.trees import copied

Translate = Callable[[exp.Expr, "Compiler", Params], exp.Expr]


class Compiler:
    """Translates one Snowflake statement to DuckDB.

    Python table functions run during the translation, and their results replace the calls, unless the
    statement is only described.

    Args:
        session: the session that runs the statement.
        translate: runs all passes, in order.
        describing: whether only the columns of the result are needed.
        in_view: whether the statement is the query of a view.
        consuming: whether the streams that a query reads are consumed, as in CREATE TABLE ... AS SELECT.

    Attributes:
        consumed: the streams that a DML statement reads; their offsets advance when it runs.
        reads_rows: whether the translation itself read rows, as PIVOT (... IN (ANY)) does for its columns.
    """

    def __init__(
        self,
        session: Session,
        translate: Translate,
        *,
        describing: bool = False,
        in_view: bool = False,
        consuming: bool = False,
    ) -> None:
        self.session = session
        self._translate = translate
        self.describing = describing
        self.in_view = in_view
        self.consuming = consuming
        self.registered: list[str] = []
        self.views: list[str] = []
        self.consumed: list[Stream] = []
        self.reads_rows = False

    @property
    def is_lasting(self) -> bool:
        """Whether the translation can be reused: it depends neither on rows nor on temporary relations."""
        return not (self.registered or self.views or self.consumed or self.reads_rows)

    @collector_paused()
    def compile(self, tree: exp.Expr, params: Params = None) -> exp.Expr:
        """Translate a tree in place, and return it."""
        return self._translate(tree, self, params)

    def nested(self, *, describing: bool) -> Compiler:
        """Create a compiler for a query that must be described, or run, before this statement."""
        self.reads_rows |= not describing
        return Compiler(self.session, self._translate, describing=describing)

    def register(self, table: pa.Table) -> str:
        """Register an Arrow table for this statement under a unique name, and return the name."""
        name = f"_arrow_{uuid.uuid4().hex}"
        self.session.duck.register(name, table)
        self.registered.append(name)
        return name

    def view(self, query: str) -> exp.Table:
        """Make a DuckDB query a relation of this statement; the translation does not change the query."""
        name = f"_view_{uuid.uuid4().hex}"
        self.session.duck.execute(f"CREATE TEMP VIEW {name} AS {query}")
        self.views.append(name)
        # Qualified as other tables are, so that the types of its columns can be looked up.
        view = resolved_table(name)
        view.set("db", exp.to_identifier("main", quoted=True))
        view.set("catalog", exp.to_identifier("temp", quoted=True))
        return view

    def release(self) -> None:
        """Remove the Arrow tables and views."""
        for name in self.registered:
            self.session.duck.unregister(name)
        for name in self.views:
            # In a failed transaction no statement can run; its rollback removes the view.
            with suppress(duckdb.TransactionException):
                self.session.duck.execute(f"DROP VIEW IF EXISTS {name}")
        self.registered.clear()
        self.views.clear()


def resolved_table(name: str) -> exp.Table:
    """Refer to a DuckDB relation by a name that is not qualified any further: ``meta["resolved"]``."""
    table = exp.Table(this=exp.to_identifier(name, quoted=True))
    table.meta["resolved"] = True
    return table


@collector_paused()
def to_sql(tree: exp.Expr, *, copy: bool = True) -> str:
    """Generate the DuckDB SQL of a translated tree.

    Args:
        tree: the tree.
        copy: whether the tree is needed afterwards: sqlglot changes the tree that it writes.

    Raises:
        UnsupportedError: sqlglot cannot express a part of the tree in DuckDB SQL.
    """
    try:
        return (copied(tree) if copy else tree).sql(
            dialect="duckdb", unsupported_level=ErrorLevel.RAISE, copy=False
        )
    except SqlglotUnsupported as error:
        raise errors.UnsupportedError(str(error).split("\n")[0]) from error
