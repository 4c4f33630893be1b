"""Tables with the history of their rows: a type 2 slowly changing dimension.

Each row is one version of the row with its key, valid from VALID_FROM until before VALID_TO, which is NULL for the
current version. A run closes the versions that changed, and adds their new versions, in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import RunContext, StepResult
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.data.new_rows import (
    Added,
    OnSchemaChange,
    check_keys,
    count,
    schema_changes,
    staging_of,
)
from snowpipe_ml.steps.data.publish import columns_of, replace_table

_FROM, _TO = Identifier("VALID_FROM"), Identifier("VALID_TO")


@dataclass(frozen=True)
class Versions:
    """A table with the history of the rows of a query.

    Attributes:
        name: the table.
        key: the columns that identify a row.
        check: the columns whose change makes a new version; all others than the key if empty.
        updated_at: the column with the time of the last change of a row, which makes a new version if it is later.
        close_deleted: whether to close the versions of rows that the query no longer has.
        on_schema_change: what to do if the query has other columns than the table.
    """

    name: QualifiedName
    key: tuple[Identifier, ...]
    check: tuple[Identifier, ...] = ()
    updated_at: Identifier | None = None
    close_deleted: bool = False
    on_schema_change: OnSchemaChange = "fail"

    def _start(self, at: Literal) -> Sql:
        """When a version of a new row starts: when the row was updated, or the time of the run."""
        return sql("{at}", at=at) if self.updated_at is None else sql("N.{c}", c=self.updated_at)

    def first(self, query: Sql, at: Literal) -> Sql:
        """The query of the first versions."""
        return sql(
            "SELECT N.*, {start} AS {valid_from}, NULLIF({start}, {start}) AS {valid_to} FROM ({query}) AS N",
            start=self._start(at),
            valid_from=_FROM,
            valid_to=_TO,
            query=query,
        )

    def stage(self, query: Sql) -> Sql:
        """The statement that writes the rows of the query to a temporary table."""
        return sql(
            "CREATE OR REPLACE TEMPORARY TABLE {staging} AS {query}",
            staging=staging_of(self.name),
            query=query,
        )

    def publish(self, columns: tuple[Identifier, ...], at: Literal) -> tuple[Sql, ...]:
        """The statements that close and add versions, which must be run in one transaction.

        Args:
            columns: the columns of the query that the table has too.
            at: the time of the run.
        """
        staging = staging_of(self.name)
        table = self.name.name
        same = join(" AND ", [sql("{t}.{c} = N.{c}", t=table, c=column) for column in self.key])
        if self.updated_at is not None:
            changed = sql("N.{c} > {t}.{c}", t=table, c=self.updated_at)
        else:
            checked = self.check or tuple(column for column in columns if column not in self.key)
            differ = [sql("{t}.{c} IS DISTINCT FROM N.{c}", t=table, c=column) for column in checked]
            changed = join(" OR ", differ) if differ else Sql("FALSE")
        names: dict[str, Fragment] = {
            "name": self.name,
            "staging": staging,
            "same": same,
            "to": _TO,
            "table": table,
        }
        close = sql(
            "UPDATE {name} SET {to} = {start} FROM {staging} AS N WHERE {same} AND {table}.{to} IS NULL AND ({changed})",
            start=self._start(at),
            changed=changed,
            **names,
        )
        deleted = sql(
            "UPDATE {name} SET {to} = {at} WHERE {table}.{to} IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM {staging} AS N WHERE {same})",
            at=at,
            **names,
        )
        listed = join(", ", columns)
        add = sql(
            "INSERT INTO {name} ({listed}, {valid_from}) SELECT {new}, {start} FROM {staging} AS N "
            "WHERE NOT EXISTS (SELECT 1 FROM {name} WHERE {same} AND {table}.{to} IS NULL)",
            listed=listed,
            new=join(", ", [sql("N.{c}", c=column) for column in columns]),
            valid_from=_FROM,
            start=self._start(at),
            **names,
        )
        return (close, deleted, add) if self.close_deleted else (close, add)


def record_versions(ctx: RunContext, table: Versions, query: Sql) -> StepResult:
    """Record the new versions of the rows of a query, in a new or an existing table.

    A repeated call records nothing, as no row differs from its current version any more.

    Raises:
        StepError: the columns of the query are not those of the table, or a key is NULL or not unique.
    """
    at = Literal(ctx.run.started_at.replace(tzinfo=None))
    ctx.execute(table.stage(query))
    try:
        staging = staging_of(table.name)
        new = columns_of(ctx, staging)
        for column in (_FROM, _TO):
            if column.name in new:
                raise StepError(
                    f"the query has a column {column}, which the table {table.name} adds: rename it"
                )
        check_keys(ctx, table.name, table.key)
        shown = ctx.shown(table.name)
        if shown is None or shown["kind"] != "TABLE":
            ctx.before_publishing()
            first = table.first(sql("SELECT * FROM {staging}", staging=staging), at)
            replace_table(ctx, table.name, sql("AS {query}", query=first), None)
            return StepResult(rows=ctx.count(table.name), message="first versions")
        there = columns_of(ctx, table.name)
        if not there.keys() >= {_FROM.name, _TO.name}:
            raise StepError(
                f"the table {table.name} has no columns {_FROM} and {_TO}: drop it, or write another one"
            )
        plain = {column: kind for column, kind in there.items() if column not in (_FROM.name, _TO.name)}
        added = Added()
        changes = schema_changes(table.name, table.on_schema_change, new, plain, added)
        ctx.before_publishing()
        for statement in changes:
            ctx.execute(statement)
        known = {*plain, *added.columns}
        columns = tuple(Identifier(column) for column in new if column in known)
        with ctx.transaction():
            for statement in table.publish(columns, at):
                count(added, ctx, statement)
        return added.result()
    finally:
        ctx.execute(sql("DROP TABLE IF EXISTS {staging}", staging=staging_of(table.name)))
