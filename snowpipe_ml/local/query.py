"""Queries and DML: parsed by sqlglot, rewritten, run by DuckDB."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import ErrorLevel
from sqlglot.errors import UnsupportedError as SqlglotUnsupported

from snowpipe_ml.local import errors
from snowpipe_ml.local.changes import Name, note_change, written_table
from snowpipe_ml.local.inference import UNKNOWN, infer
from snowpipe_ml.local.parsing import parse
from snowpipe_ml.local.rewrite.functions import apply_rules
from snowpipe_ml.local.rewrite.joins import rewrite_joins
from snowpipe_ml.local.rewrite.names import (
    name_projections,
    own_columns,
    part_case_twins,
    qualify_tables,
    store_identifiers,
)
from snowpipe_ml.local.rewrite.pivots import rewrite_pivots
from snowpipe_ml.local.statements import Result, counts
from snowpipe_ml.local.storage import retry_conflicts, transaction
from snowpipe_ml.local.types import Column, parameter

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection


_MISSING_TABLE = re.compile(r"Table with name (\S+?) does not exist", re.I)


class Compiler:
    """Turns one Snowflake statement into DuckDB's SQL.

    Python table functions are run on the way, and their results stand in the tree in the call's
    place, unless the statement is only described.
    """

    def __init__(self, connection: Connection, *, describing: bool = False, in_view: bool = False) -> None:
        self.connection = connection
        self.describing = describing
        self.in_view = in_view
        self.registered: list[str] = []
        self.views: list[str] = []
        # Streams that the statement reads; if it is DML, their offsets move with it.
        self.consumed: list[tuple[Any, str, Any]] = []

    def compile(self, tree: exp.Expr, params: Any = None) -> exp.Expr:
        """Rewrite a tree in place, and give it back."""
        from snowpipe_ml.local.rewrite.guard import check_functions, check_relations, name_identifiers
        from snowpipe_ml.local.rewrite.relations import expand_relations
        from snowpipe_ml.local.sequences import next_values
        from snowpipe_ml.local.streams import expand_streams

        _bind(tree, params)
        _session_variables(tree, self.connection)
        name_identifiers(tree)
        check_functions(tree, self.connection)
        name_projections(tree)
        store_identifiers(tree)
        own_columns(tree, self.connection)
        part_case_twins(tree, self.connection)
        next_values(tree, self.connection)
        expand_streams(tree, self)
        rewrite_joins(tree)
        rewrite_pivots(tree, self)
        tree = expand_relations(tree, self)
        check_relations(tree)
        qualify_tables(tree, self.connection, tree.key.upper())
        return apply_rules(tree, self.connection)

    def register(self, table: pa.Table) -> str:
        """Make an Arrow table readable in this statement, under a name of its own."""
        name = f"_arrow_{uuid.uuid4().hex}"
        self.connection.duck.register(name, table)
        self.registered.append(name)
        return name

    def view(self, query: str) -> exp.Table:
        """A DuckDB query as a relation of this statement, out of the rewrites' reach."""
        name = f"_view_{uuid.uuid4().hex}"
        self.connection.duck.execute(f"CREATE TEMP VIEW {name} AS {query}")
        self.views.append(name)
        return resolved_table(name)

    def release(self) -> None:
        """Forget the Arrow tables and views."""
        for name in self.registered:
            self.connection.duck.unregister(name)
        for name in self.views:
            # In a transaction that has failed the view goes with it, and nothing can be run.
            with suppress(duckdb.TransactionException):
                self.connection.duck.execute(f"DROP VIEW IF EXISTS {name}")
        self.registered.clear()
        self.views.clear()


def resolved_table(name: str) -> exp.Table:
    """A relation of DuckDB's own, which is not to be qualified."""
    table = exp.Table(this=exp.to_identifier(name, quoted=True))
    table.meta["resolved"] = True
    return table


@contextmanager
def compiled(
    connection: Connection, tree: exp.Expr, params: Any = None, *, describing: bool = False
) -> Iterator[exp.Expr]:
    """A tree rewritten for DuckDB, and what it refers to while it runs."""
    compiler = Compiler(connection, describing=describing)
    written = {
        table.name.upper(): ".".join(part.name for part in table.parts) for table in tree.find_all(exp.Table)
    }
    try:
        statement = compiler.compile(tree, params)
        if compiler.consumed:
            with _consuming(connection, compiler):
                yield statement
        else:
            yield statement
    except duckdb.CatalogException as raised:
        found = _MISSING_TABLE.search(str(raised))
        if found and "." in written.get(found.group(1).upper(), ""):
            raise errors.missing("Object", written[found.group(1).upper()]) from raised
        raise
    finally:
        compiler.release()


@contextmanager
def _consuming(connection: Connection, compiler: Compiler) -> Iterator[None]:
    """Run a DML statement and move the offsets of the streams that it reads, both or neither."""
    from snowpipe_ml.local.streams import advance

    with in_transaction(connection):
        outer, connection.in_transaction = connection.in_transaction, True
        try:
            yield
            advance(connection, compiler.consumed)
        finally:
            connection.in_transaction = outer


def to_sql(tree: exp.Expr) -> str:
    """DuckDB's text of a rewritten tree.

    Raises:
        UnsupportedError: sqlglot would leave a part out.
    """
    try:
        return tree.sql(dialect="duckdb", unsupported_level=ErrorLevel.RAISE)
    except SqlglotUnsupported as error:
        raise errors.UnsupportedError(str(error).split("\n")[0]) from error


def select(connection: Connection, sql_text: str) -> tuple[list[Column], pa.Table]:
    """Run a DuckDB query."""
    relation = connection.duck.query(sql_text)
    if relation is None:
        return [], pa.table({})
    names = (name.rstrip(errors.TWIN) for name in relation.columns)
    columns = [Column(name, str(kind)) for name, kind in zip(names, relation.types, strict=True)]
    # Names may repeat: the table goes by position.
    table = relation.to_arrow_table()
    return columns, table.rename_columns([str(i) for i in range(table.num_columns)])


def run_query(connection: Connection, text: str, params: Any, query_id: str) -> Result:
    """Run a query or DML statement."""
    tree = parse(text)
    match tree:
        case exp.Query() | exp.Values():
            with compiled(connection, tree, params) as query:
                columns, table = select(connection, to_sql(query))
            return Result(columns, table)
        case exp.Insert():
            return _insert(connection, tree, params)
        case exp.Update():
            n = _execute_count(connection, tree, params)
            result = counts(updated=n)
            return Result(
                [*result.columns, Column("number of multi-joined rows updated", "BIGINT")],
                result.table.append_column("1", pa.array([0], pa.int64())),
                n,
            )
        case exp.Delete():
            return counts(deleted=_execute_count(connection, tree, params))
        case exp.Merge():
            return _merge(connection, tree, params)
        case exp.Describe():
            raise errors.UnsupportedError("this DESCRIBE")
    raise errors.UnsupportedError(f"the statement {' '.join(text.split()[:3])}")


def describe_query(connection: Connection, text: str, params: Any) -> list[Column]:
    """The columns of a query, by DuckDB's own DESCRIBE: nothing is run."""
    tree = parse(text)
    if not isinstance(tree, exp.Query | exp.Values):
        return [Column(name, "BIGINT", nullable=False) for name in _counted(tree)] or [
            Column("status", "VARCHAR")
        ]
    name_projections(tree)
    store_identifiers(tree)
    facts = infer(tree, connection)
    with compiled(connection, tree, params, describing=True) as query:
        found = connection.duck.execute(f"DESCRIBE {to_sql(query)}").fetchall()
    columns = [Column(row[0].rstrip(errors.TWIN), row[1]) for row in found]
    if facts is None or len(facts) != len(columns):
        return columns
    known = [
        fact if name == column.name else UNKNOWN for column, (name, fact) in zip(columns, facts, strict=True)
    ]
    return [
        Column(c.name, c.duckdb, fact.nullable, fact.length) for c, fact in zip(columns, known, strict=True)
    ]


def _counted(tree: exp.Expr) -> list[str]:
    """The names of a DML statement's result columns: one for each kind of change it can make."""
    match tree:
        case exp.Insert():
            kinds = ["inserted"]
        case exp.Update():
            return ["number of rows updated", "number of multi-joined rows updated"]
        case exp.Delete():
            kinds = ["deleted"]
        case exp.Merge():
            taken = _merge_kinds(tree)
            kinds = [kind for kind in ("inserted", "updated", "deleted") if kind in taken]
        case _:
            kinds = []
    return [f"number of rows {kind}" for kind in kinds]


def _execute_count(connection: Connection, tree: exp.Expr, params: Any) -> int:
    with compiled(connection, tree, params) as statement:
        return count_rows(connection, to_sql(statement), written_table(statement))


def count_rows(connection: Connection, sql_text: str, target: Name | None) -> int:
    """Run DML on a table and give the number of rows it changed."""
    rows = _changed(connection, sql_text, target)
    return int(rows[0][0]) if rows else 0


def _changed(connection: Connection, sql_text: str, target: Name | None) -> list[Any]:
    """Run DML, and note in the same transaction that it changed a table."""

    def run() -> list[Any]:
        with in_transaction(connection):
            found = connection.duck.execute(sql_text).fetchall()
            if target is not None:
                note_change(connection, target)
        return found

    result: list[Any] = retry_conflicts(run)
    return result


def _insert(connection: Connection, tree: exp.Insert, params: Any) -> Result:
    overwrite = bool(tree.args.get("overwrite"))
    tree.set("overwrite", False)
    with compiled(connection, tree, params) as statement:
        if not overwrite:
            return counts(inserted=count_rows(connection, to_sql(statement), written_table(statement)))
        target = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
        written = written_table(statement)
        delete = f"DELETE FROM {to_sql(target)}"
        # The new rows are made first: the query may read the table that it overwrites.
        new = f"_new_{uuid.uuid4().hex}"
        query = to_sql(statement.expression)
        statement.set("expression", exp.select("*").from_(exp.to_table(new)))

        def swap() -> int:
            connection.duck.execute(f"CREATE OR REPLACE TEMP TABLE {new} AS {query}")
            try:
                with in_transaction(connection):
                    connection.duck.execute(delete)
                    row = connection.duck.execute(to_sql(statement)).fetchone()
                    if written is not None:
                        note_change(connection, written)
                    return int(row[0]) if row else 0
            finally:
                connection.duck.execute(f"DROP TABLE IF EXISTS {new}")

        return counts(inserted=retry_conflicts(swap))


@contextmanager
def in_transaction(connection: Connection) -> Iterator[None]:
    """The session's open transaction, or one of its own."""
    if connection.in_transaction:
        yield
    else:
        with transaction(connection.duck):
            yield


def _merge_kinds(tree: exp.Merge) -> set[str]:
    """What its clauses can do: inserted, updated, deleted."""
    actions = [when.args["then"] for when in tree.args["whens"].expressions]
    return {
        "inserted"
        if isinstance(action, exp.Insert)
        else "updated"
        if isinstance(action, exp.Update)
        else "deleted"
        for action in actions
    }


def _merge(connection: Connection, tree: exp.Merge, params: Any) -> Result:
    """MERGE; its result has a column for each kind of action that its clauses can take."""
    kinds = _merge_kinds(tree)
    with compiled(connection, tree, params) as statement:
        text = to_sql(statement) + " RETURNING merge_action"
        actions = _changed(connection, text, written_table(statement))
    done = {"inserted": 0, "updated": 0, "deleted": 0}
    for (action,) in actions:
        done[{"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}[action]] += 1
    return counts(**{word: done[word] for word in done if word in kinds})


def insert_rows(connection: Connection, text: str, rows: Sequence[Sequence[Any]]) -> Result:
    """``INSERT INTO t (a, b) VALUES (?, ?)`` for many rows, in one statement."""
    tree = parse(text)
    values = tree.expression if isinstance(tree, exp.Insert) else None
    if not isinstance(values, exp.Values) or any(
        not isinstance(v, exp.Placeholder) for v in values.expressions[0].expressions
    ):
        raise errors.UnsupportedError("executemany of anything but INSERT ... VALUES (?, ...)")
    if not rows:
        return counts(inserted=0)
    columns = [[parameter(row[i]) for row in rows] for i in range(len(rows[0]))]
    arrays = []
    for column in columns:
        try:
            arrays.append(pa.array(column))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            arrays.append(pa.array([None if v is None else str(v) for v in column]))
    data = pa.table(arrays, names=[f"c{i}" for i in range(len(arrays))])
    compiler = Compiler(connection)
    try:
        name = compiler.register(data)
        tree.set("expression", None)
        statement = compiler.compile(tree)
        return counts(
            inserted=count_rows(
                connection, f"{to_sql(statement)} SELECT * FROM {name}", written_table(statement)
            )
        )
    finally:
        compiler.release()


_UNBOUND = object()


def _bind(tree: exp.Expr, params: Any) -> None:
    """Put bound values in place of ``?`` and ``:1``, as literals of the tree."""
    if not params:
        return
    by_order = iter(params.values() if isinstance(params, dict) else params)
    for placeholder in list(tree.find_all(exp.Placeholder, bfs=False)):
        name = placeholder.name
        if name.isdigit():
            value = params[int(name) - 1]
        elif name and name != "?":
            value = params[name]
        else:
            value = next(by_order, _UNBOUND)
            if value is _UNBOUND:
                raise errors.error(2049, "42601", "SQL compilation error:\nBind variable ? not set.")
        placeholder.replace(exp.convert(parameter(value)))


def _session_variables(tree: exp.Expr, connection: Connection) -> None:
    """``$name`` -> the variable's value; ``$1`` is a column of VALUES or of a staged file."""
    for node in list(tree.find_all(exp.Parameter)):
        name = node.name.upper()
        if name in connection.variables:
            node.replace(exp.convert(connection.variables[name]))


__all__ = ["Compiler", "compiled", "describe_query", "insert_rows", "parse", "run_query"]
