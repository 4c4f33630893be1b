"""Incremental tables: a run adds the new rows of a query to the existing table, instead of computing all rows again.

The new rows are first written to a temporary table, so that publishing them is one short statement or transaction.
All strategies can be repeated after a failure: a row that is in the table already is not added a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal as Choice

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import Interval, RunContext, StepResult
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.data.new_rows import (
    Added,
    OnSchemaChange,
    check_keys,
    count,
    schema_changes,
    staging_of,
)
from snowpipe_ml.steps.data.publish import Layout, columns_of, columns_of_query, replace_table

Strategy = Choice["append", "merge", "delete_insert"]
_TIMES = ("DATE", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ")
_T = Identifier("T")  # the alias of the table in MERGE; DELETE has none


@dataclass(frozen=True)
class Lookback:
    """How far before the greatest value of ``since`` an incremental run looks for late-arriving rows.

    Attributes:
        count: the number of units.
        unit: a date part, such as ``DAY``.
    """

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Lookback:
        """Parse a text such as ``3 days``.

        Raises:
            ValueError: it is not a number and a unit.
        """
        count, _, unit = text.strip().partition(" ")
        unit = unit.strip().lower().removesuffix("s")
        if not count.isdecimal() or unit not in ("second", "minute", "hour", "day", "week", "month", "year"):
            raise ValueError(f"lookback must be a number and a unit, such as '3 days', not {text!r}")
        return cls(int(count), unit.upper())


@dataclass(frozen=True)
class Incremental:
    """An incremental table.

    Attributes:
        name: the table.
        strategy: how new rows are added: ``append`` inserts them; ``merge`` updates the row with the same key, or
            inserts; ``delete_insert`` replaces all rows with the same key.
        key: the columns of the key.
        since: the column whose greatest value in the table separates new rows from old ones.
        lookback: how far before that value rows are considered new.
        on_schema_change: what to do if the query has other columns than the table.
    """

    name: QualifiedName
    strategy: Strategy
    key: tuple[Identifier, ...] = ()
    since: Identifier | None = None
    lookback: Lookback | None = None
    on_schema_change: OnSchemaChange = "fail"

    def previous(self, column: Identifier) -> Sql:
        """The greatest value of a column in the table, as a scalar subquery."""
        return sql("(SELECT MAX({column}) FROM {name})", column=column, name=self.name)

    def new_rows(self, query: Sql) -> Sql:
        """The rows of a query that are newer than those of the table; all if the table has none."""
        if self.since is None:
            return query
        least, newer = self.previous(self.since), Sql(">")
        if self.lookback is not None:
            newer = Sql(">=")
            least = sql(
                "DATEADD({unit}, {count}, {least})",
                unit=Sql(self.lookback.unit),
                count=Literal(-self.lookback.count),
                least=least,
            )
        return sql(
            "SELECT * FROM ({query}) WHERE {since} {newer} {least} OR (SELECT COUNT({since}) FROM {name}) = 0",
            query=query,
            since=self.since,
            newer=newer,
            least=least,
            name=self.name,
        )

    def within(self, interval: Interval) -> Sql:
        """The condition that a row belongs to an interval."""
        assert self.since is not None
        return sql(
            "{since} >= {start} AND {since} < {end}",
            since=self.since,
            start=Literal(interval.start),
            end=Literal(interval.end),
        )

    def rows_of(self, query: Sql, interval: Interval) -> Sql:
        """The rows of a query that belong to an interval."""
        return sql("SELECT * FROM ({query}) WHERE {within}", query=query, within=self.within(interval))

    @property
    def staging(self) -> QualifiedName:
        """The temporary table of the new rows."""
        return staging_of(self.name)

    def stage(self, rows: Sql) -> Sql:
        """The statement that writes the new rows, or those of an interval, to a temporary table."""
        return sql("CREATE OR REPLACE TEMPORARY TABLE {staging} AS {rows}", staging=self.staging, rows=rows)

    def publish(self, columns: tuple[Identifier, ...]) -> tuple[Sql, ...]:
        """The statements that add the new rows, which must be run in one transaction.

        Args:
            columns: the columns of the new rows that the table has too.
        """
        listed = join(", ", columns)
        insert = sql(
            "INSERT INTO {name} ({listed}) SELECT {listed} FROM {staging}",
            name=self.name,
            listed=listed,
            staging=self.staging,
        )
        if self.strategy == "append":
            return (insert,)
        if self.strategy == "delete_insert":
            delete = sql(
                "DELETE FROM {name} USING (SELECT DISTINCT {key} FROM {staging}) AS N WHERE {same}",
                name=self.name,
                key=join(", ", self.key),
                staging=self.staging,
                same=self._same(self.name.name),
            )
            return delete, insert
        values = [column for column in columns if column not in self.key]
        update = Sql("")
        if values:
            changes = [sql("{c} = N.{c}", c=column) for column in values]
            differ = [sql("T.{c} IS DISTINCT FROM N.{c}", c=column) for column in values]
            update = sql(
                "WHEN MATCHED AND ({differ}) THEN UPDATE SET {changes} ",
                differ=join(" OR ", differ),
                changes=join(", ", changes),
            )
        return (
            sql(
                "MERGE INTO {name} AS T USING {staging} AS N ON {same} {update}"
                "WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({new})",
                name=self.name,
                staging=self.staging,
                same=self._same(),
                update=update,
                listed=listed,
                new=join(", ", [sql("N.{c}", c=column) for column in columns]),
            ),
        )

    def replace(self, columns: tuple[Identifier, ...], interval: Interval) -> tuple[Sql, ...]:
        """The statements that replace the rows of an interval by the new ones, which must be run in one transaction.

        With the strategy ``merge``, rows that stay the same are not changed.
        """
        gone = Sql("")
        if self.strategy == "merge":
            gone = sql(
                " AND NOT EXISTS (SELECT 1 FROM {staging} AS N WHERE {same})",
                staging=self.staging,
                same=self._same(self.name.name),
            )
        delete = sql(
            "DELETE FROM {name} WHERE {within}{gone}", name=self.name, within=self.within(interval), gone=gone
        )
        return delete, self.publish(columns)[-1]

    def _same(self, table: Identifier = _T) -> Sql:
        """The condition that a row of the table has the key of a new row."""
        return join(" AND ", [sql("{t}.{c} = N.{c}", t=table, c=column) for column in self.key])


def add_new_rows(ctx: RunContext, table: Incremental, query: Sql) -> StepResult:
    """Add the new rows of a query to an existing incremental table.

    Raises:
        StepError: the columns of the query are not those of the table, or a key is NULL or not unique.
    """
    return _publish(ctx, table, table.new_rows(query), table.publish)


def fill_interval(
    ctx: RunContext, table: Incremental, query: Sql, interval: Interval, layout: Layout
) -> StepResult:
    """Replace the rows of an interval, in an existing or a new table.

    Raises:
        StepError: as :func:`add_new_rows`; also if ``since`` has no time, or the table is a view.
    """
    kind = columns_of_query(ctx, query).get("" if table.since is None else table.since.name)
    if kind is not None and kind.name not in _TIMES:
        raise StepError(
            f"the column {table.since} is {kind}, and intervals need a date or a timestamp: cast it in the query"
        )
    there = ctx.kind_of(table.name)
    if there == "VIEW":
        raise StepError(f"{table.name} is a view, and a backfill needs a table: drop it")
    if there is None:
        ctx.before_publishing()
        nothing = sql("AS SELECT * FROM ({query}) WHERE FALSE", query=query)
        replace_table(ctx, table.name, nothing, None, layout)
    return _publish(
        ctx, table, table.rows_of(query, interval), lambda columns: table.replace(columns, interval)
    )


def _publish(
    ctx: RunContext,
    table: Incremental,
    rows: Sql,
    statements: Callable[[tuple[Identifier, ...]], tuple[Sql, ...]],
) -> StepResult:
    """Write rows to a temporary table, check them, and run the statements that publish their columns."""
    ctx.execute(table.stage(rows))
    try:
        new, there = (columns_of(ctx, name) for name in (table.staging, table.name))
        added = Added()
        widened = schema_changes(table.name, table.on_schema_change, new, there, added)
        if table.strategy == "merge":
            check_keys(ctx, table.name, table.key)
        ctx.before_publishing()
        for statement in widened:
            ctx.execute(statement)
        known = {*there, *added.columns}
        columns = tuple(Identifier(column) for column in new if column in known)
        with ctx.transaction():
            for statement in statements(columns):
                count(added, ctx, statement)
        return added.result()
    finally:
        ctx.execute(sql("DROP TABLE IF EXISTS {staging}", staging=table.staging))
