"""Dynamic tables: Snowflake computes their rows again by itself, and a run refreshes them at its turn.

https://docs.snowflake.com/en/sql-reference/sql/create-dynamic-table
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from typing import Literal as Choice

from snowpipe_ml.plugins import RunContext, StepResult
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.data.policies import Policies, listed_columns, policies_of
from snowpipe_ml.steps.data.publish import Layout, columns_of, columns_of_query
from snowpipe_ml.steps.data.target_lag import TargetLag

RefreshMode = Choice["auto", "full", "incremental"]
Initialize = Choice["on_create", "on_schedule"]


@dataclass(frozen=True)
class DynamicTable:
    """A dynamic table.

    Attributes:
        name: the table.
        target_lag: how far it may lag behind the tables that it reads.
        warehouse: the warehouse that refreshes it.
        refresh_mode: how it is refreshed; None for Snowflake's choice.
        initialize: when it has its first rows; None when it is created.
        layout: how it is stored.
    """

    name: QualifiedName
    target_lag: TargetLag
    warehouse: Identifier
    refresh_mode: RefreshMode | None = None
    initialize: Initialize | None = None
    layout: Layout = field(default_factory=Layout)

    def creation(self, query: Sql, kept: tuple[Sql, ...] = (), columns: tuple[Sql, ...] = ()) -> Sql:
        """The statement that creates or replaces it.

        Args:
            query: its query.
            kept: the clauses with which it keeps what others have given it.
            columns: the list of its columns, if they keep something.
        """
        return sql(
            "CREATE OR REPLACE {kind} {name} {clauses} AS {query}",
            kind=Sql("TRANSIENT DYNAMIC TABLE" if self.layout.transient else "DYNAMIC TABLE"),
            name=self.name,
            clauses=join(" ", [*columns, *self._options(), *self.layout.clauses, *kept]),
            query=query,
        )

    def _options(self) -> Iterator[Sql]:
        yield from self._changeable()
        if self.refresh_mode is not None:
            yield sql("REFRESH_MODE = {mode}", mode=Sql(self.refresh_mode.upper()))
        if self.initialize is not None:
            yield sql("INITIALIZE = {when}", when=Sql(self.initialize.upper()))

    def _changeable(self) -> Iterator[Sql]:
        yield sql("TARGET_LAG = {lag}", lag=self.target_lag.sql)
        yield sql("WAREHOUSE = {warehouse}", warehouse=self.warehouse)

    def is_of(self, query: Sql, shown: Mapping[str, Any]) -> bool:
        """Return whether an existing dynamic table has this query, refresh mode and clustering key.

        Args:
            query: the query.
            shown: its row of SHOW DYNAMIC TABLES.
        """
        key = join(", ", self.layout.cluster_by).text
        return (
            str(shown["text"]).rstrip().rstrip(";").endswith(f" AS {query.text}")
            and (
                self.refresh_mode in (None, "auto") or str(shown["refresh_mode"]).lower() == self.refresh_mode
            )
            and (not key or shown["cluster_by"] == f"LINEAR({key})")
        )

    def change(self, shown: Mapping[str, Any]) -> Sql | None:
        """The statement that changes the lag and the warehouse of an existing dynamic table; None for no change."""
        if (
            TargetLag.parse(str(shown["target_lag"])) == self.target_lag
            and shown["warehouse"] == self.warehouse.name
        ):
            return None
        return sql(
            "ALTER DYNAMIC TABLE {name} SET {options}",
            name=self.name,
            options=join(" ", list(self._changeable())),
        )

    @property
    def refresh(self) -> Sql:
        """The statement that computes its rows again."""
        return sql("ALTER DYNAMIC TABLE {name} REFRESH", name=self.name)


def publish_dynamic_table(ctx: RunContext, table: DynamicTable, query: Sql) -> StepResult:
    """Create a dynamic table, replace one that differs, or refresh it. A table or view of the same name is dropped."""
    ctx.before_publishing()
    shown = ctx.shown(table.name)
    if shown is not None and shown["is_dynamic"] != "Y":
        kind = Sql("VIEW" if shown["kind"] == "VIEW" else "TABLE")
        ctx.execute(sql("DROP {kind} {name}", kind=kind, name=table.name))
        shown = None
    if shown is None:
        ctx.execute(table.creation(query))
        return StepResult(message="created")
    there = ctx.listed("DYNAMIC TABLES", table.name)[0]
    if not table.is_of(query, there):
        _replace(ctx, table, query, str(there["comment"] or ""))
        return StepResult(message="replaced")
    change = table.change(there)
    if change is not None:
        ctx.execute(change)
    ctx.execute(table.refresh)
    return StepResult(message="refreshed")


def _replace(ctx: RunContext, table: DynamicTable, query: Sql, comment: str) -> None:
    """Replace a dynamic table, and keep its grants, tags, comment and policies."""
    name = table.name
    described = ctx.execute(sql("DESCRIBE DYNAMIC TABLE {name}", name=name))
    policies = policies_of(ctx, "DYNAMIC_TABLE", name, described)
    kept = [sql("COMMENT = {text}", text=Literal(comment))] if comment else []
    kept.append(Sql("COPY GRANTS COPY TAGS"))
    columns: tuple[Sql, ...] = ()
    if policies != Policies(name):
        new = columns_of_query(ctx, query)
        kept += policies.clauses(new)
        columns = tuple(listed_columns(policies, new, columns_of(ctx, name), described, typed=True))
    ctx.execute(table.creation(query, tuple(kept), columns))
