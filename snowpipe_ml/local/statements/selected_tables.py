"""The query of a table or view that is created from one: its checks and conversions."""

from __future__ import annotations

import uuid
from dataclasses import replace

import duckdb
from sqlglot import exp

from snowpipe_ml.local.catalog.columns import Declared
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column, cut_fractions
from snowpipe_ml.local.statements.columns import ColumnDefinition, check_columns
from snowpipe_ml.local.syntax.trees import copied, nodes
from snowpipe_ml.local.translate.casts import ASSIGNED
from snowpipe_ml.local.translate.compiler import Compiler, to_sql
from snowpipe_ml.local.translate.inference import Relation, infer
from snowpipe_ml.local.translate.names import name_projections, store_identifiers
from snowpipe_ml.local.translate.registry import TABLE_FUNCTIONS
from snowpipe_ml.sql import DataType

# The types to which the query of a table with declared columns is converted.
_CONVERTED = frozenset(
    {
        *("NUMBER", "INT", "FLOAT", "VARCHAR", "BINARY", "BOOLEAN", "DATE", "TIME"),
        *("TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "VARIANT", "OBJECT", "ARRAY"),
    }
)


def compiled_body(
    session: Session, compiler: Compiler, query: exp.Expr, columns: list[ColumnDefinition]
) -> exp.Expr:
    """Translate the query of a table, with its columns converted to the types that are declared for them.

    Raises:
        ProgrammingError: there are more or fewer columns than declared.
    """
    converted = _converted(query, columns)
    tree = compiler.compile(converted)
    if columns:
        inner = tree if converted is query else tree.args["from_"].this.this
        check_count(session, to_sql(inner), columns)
    return tree


def _converted(query: exp.Expr, columns: list[ColumnDefinition]) -> exp.Expr:
    """Convert the columns of the query of a table to the declared types, as an INSERT would."""
    names = [f"_{n}" for n in range(len(columns))]
    values: list[exp.Expr] = []
    for name, column in zip(names, columns, strict=True):
        value: exp.Expr = exp.column(exp.to_identifier(name, quoted=True))
        declared = column.declared
        type_ = DataType.parse(declared.type) if declared is not None else None
        if declared is not None and type_ is not None and type_.name in _CONVERTED:
            value = exp.cast(value, "VARCHAR" if type_.name == "VARCHAR" else str(type_), dialect="snowflake")
            value.meta[ASSIGNED] = declared.type
        values.append(exp.alias_(value, name, quoted=True))
    if not any(isinstance(value.this, exp.Cast) for value in values):
        return query
    aliases = [exp.to_identifier(name, quoted=True) for name in names]
    inner = exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier("_q"), columns=aliases))
    return exp.select(*values).from_(inner)


def calls_table_function(query: exp.Expr) -> bool:
    """Return whether the translation of a query runs a table function in Python, which can take minutes."""
    return any(
        isinstance(call.this, exp.Window | exp.Dot)
        or (isinstance(call.this, exp.Anonymous) and call.this.name.upper() not in TABLE_FUNCTIONS)
        for call in nodes(query, exp.TableFromRows)
    )


def check_outputs(session: Session, query: exp.Expr) -> Relation:
    """Refuse a table or view whose query has two columns of one name, also below ``*``.

    Returns the inferred facts of its columns.
    """
    named = copied(query)
    name_projections(named)
    store_identifiers(named)
    facts = infer(named, session)
    check_columns([name for name, _ in facts or ()])
    return facts


def check_names_of(session: Session, body: str) -> None:
    """Refuse duplicate names in the query of a new table or view: DuckDB would rename the second column."""
    check_columns([row[0] for row in session.duck.execute(f"DESCRIBE {body}").fetchall()])


def check_count(session: Session, body: str, columns: list[ColumnDefinition]) -> None:
    """Refuse a table or view whose list of columns is longer or shorter than its query's.

    Raises:
        ProgrammingError: the numbers differ.
    """
    if len(session.duck.execute(f"DESCRIBE {body}").fetchall()) != len(columns):
        raise errors.error(2026, "42601", "SQL compilation error:\nInvalid column definition list")


def as_select(session: Session, name: Name, columns: list[ColumnDefinition], body: str) -> list[str]:
    """Return the statements that create a table from a query, whose columns may be named and typed."""
    target = quoted(*name)
    if not columns:
        check_names_of(session, body)
        return [f"CREATE OR REPLACE TABLE {target} AS {body}"]
    inner = ", ".join(f'"_{i}"' for i in range(len(columns)))
    rows = f"FROM ({body}) AS _q({inner})"
    if any(column.kind is None for column in columns):
        listed = ", ".join(f'"_{i}" AS {quoted(column.name)}' for i, column in enumerate(columns))
        return [f"CREATE OR REPLACE TABLE {target} AS SELECT {listed} {rows}"]
    # The query may read the table that is replaced.
    aside = f"_made_{uuid.uuid4().hex}"
    made = quoted(*name[:2], aside)
    values = ", ".join(_stored_value(f'"_{i}"', column) for i, column in enumerate(columns))
    return [
        f"CREATE TABLE {made} ({', '.join(column.sql for column in columns)})",
        f"INSERT INTO {made} SELECT {values} {rows}",
        f"DROP TABLE IF EXISTS {target}",
        f"ALTER TABLE {made} RENAME TO {quoted(name[2])}",
    ]


def _stored_value(value: str, column: ColumnDefinition) -> str:
    assert column.kind is not None
    scale = column.declared.scale if column.declared is not None else None
    return cut_fractions(f"CAST({value} AS {column.kind})", str(duckdb.sqltype(column.kind)), scale)


def inferred(name: str, kind: str, column: Column) -> Declared | None:
    """Return the declaration of a column by its query: a length, a scale, an ARRAY or OBJECT; None without one."""
    size = column.length if kind == "VARCHAR" else column.scale
    known = column.structure is not None if kind == "JSON" else size is not None
    return Declared(name, replace(column, duckdb=kind).snowflake, None) if known else None


def structured(columns: list[Column]) -> list[Declared]:
    """Return the declarations of the ARRAYs and OBJECTs among the columns of a query."""
    return [
        declared
        for column in columns
        if column.structure is not None and (declared := inferred(column.name, "JSON", column)) is not None
    ]
