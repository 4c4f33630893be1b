"""Use Arrow tables as relations of a query."""

from __future__ import annotations

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.translate.compiler import Compiler, resolved_table


def replace_relation(node: exp.Expr, relation: exp.Expr) -> None:
    """Replace a node with a relation that has the same alias."""
    alias = node.args.get("alias")
    if alias is not None:
        relation.set("alias", alias.copy())
    node.replace(relation)


def arrow_relation(compiler: Compiler, columns: list[Column], table: pa.Table) -> exp.Subquery:
    """Make a relation of a result; Arrow columns are named by position, because names may repeat."""
    name = compiler.register(table.rename_columns([f"c{i}" for i in range(table.num_columns)]))
    return registered_relation(name, columns)


def registered_relation(name: str, columns: list[Column], prefix: str = "c") -> exp.Subquery:
    """Make a relation of a registered Arrow table whose columns are named c0, c1 and so on, or by another prefix."""
    select = exp.select(
        *(
            exp.alias_(
                _as_type(exp.column(f"{prefix}{i}", quoted=True), column.duckdb),
                exp.to_identifier(column.name, quoted=True),
            )
            for i, column in enumerate(columns)
        )
    ).from_(resolved_table(name))
    return exp.Subquery(this=select)


def _as_type(node: exp.Expr, duckdb: str) -> exp.Expr:
    if duckdb in ('"NULL"', "NULL"):
        return node
    cast = exp.cast(node, duckdb, dialect="duckdb")
    if (
        cast.to.this == exp.DType.TIMESTAMPTZ
    ):  # an instant without an offset, which Snowflake calls TIMESTAMP_LTZ
        cast.to.set("this", exp.DType.TIMESTAMPLTZ)
    cast.to.meta["stored"] = True
    return cast


def empty_relation(columns: list[tuple[str, str]]) -> exp.Subquery:
    """Make a relation without rows from (name, DuckDB type) columns, which is enough to describe a query."""
    nulls = [
        exp.alias_(_as_type(exp.Null(), kind), exp.to_identifier(name, quoted=True)) for name, kind in columns
    ]
    return exp.Subquery(this=exp.select(*nulls).limit(0))
