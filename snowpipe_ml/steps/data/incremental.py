"""Incremental tables: a run adds the new rows of a query to the existing table, instead of computing all rows again.

The new rows are first written to a temporary table, so that publishing them is one short statement or transaction.
All strategies can be repeated after a failure: a row that is in the table already is not added a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal as Choice

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import RunContext, StepResult
from snowpipe_ml.sql import DataType, Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.data.publish import columns_of

Strategy = Choice["append", "merge", "delete_insert"]
_T = Identifier("T")  # the alias of the table in MERGE; DELETE has none
OnSchemaChange = Choice["fail", "append_new_columns", "ignore"]


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

    @property
    def staging(self) -> QualifiedName:
        """The temporary table of the new rows."""
        return QualifiedName((*self.name.parts[:-1], Identifier(f"{self.name.name.name}__NEW_ROWS")))

    def stage(self, query: Sql) -> Sql:
        """The statement that writes the new rows to a temporary table."""
        return sql(
            "CREATE OR REPLACE TEMPORARY TABLE {staging} AS {rows}",
            staging=self.staging,
            rows=self.new_rows(query),
        )

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

    def _same(self, table: Identifier = _T) -> Sql:
        """The condition that a row of the table has the key of a new row."""
        return join(" AND ", [sql("{t}.{c} = N.{c}", t=table, c=column) for column in self.key])


@dataclass
class Added:
    """The effect of an incremental run, in rows."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    columns: list[str] = field(default_factory=list)

    def result(self) -> StepResult:
        """The result of the step."""
        told = [f"{self.inserted:,} inserted"]
        told += [f"{self.updated:,} updated"] if self.updated else []
        told += [f"{self.deleted:,} deleted"] if self.deleted else []
        told += [f"new columns: {', '.join(self.columns)}"] if self.columns else []
        metrics = {"inserted": self.inserted, "updated": self.updated, "deleted": self.deleted}
        return StepResult(rows=self.inserted + self.updated, message=", ".join(told), metrics=metrics)


def add_new_rows(ctx: RunContext, table: Incremental, query: Sql) -> StepResult:
    """Add the new rows of a query to an existing incremental table.

    Raises:
        StepError: the columns of the query are not those of the table, or a key is NULL or not unique.
    """
    ctx.execute(table.stage(query))
    try:
        new, there = (columns_of(ctx, name) for name in (table.staging, table.name))
        added = Added()
        widened = _schema_changes(table, new, there, added)
        if table.strategy == "merge":
            _check_keys(ctx, table)
        ctx.before_publishing()
        for statement in widened:
            ctx.execute(statement)
        known = {*there, *added.columns}
        columns = tuple(Identifier(column) for column in new if column in known)
        statements = table.publish(columns)
        if len(statements) == 1:
            _count(added, ctx, statements[0])
        else:
            with ctx.transaction():
                for statement in statements:
                    _count(added, ctx, statement)
        return added.result()
    finally:
        ctx.execute(sql("DROP TABLE IF EXISTS {staging}", staging=table.staging))


def _count(added: Added, ctx: RunContext, statement: Sql) -> None:
    """Run a statement, and add the numbers of rows that it reports by the names of its columns."""
    for row in ctx.execute(statement):
        for title, value in row.as_dict().items():
            for effect in ("inserted", "updated", "deleted"):
                if title.strip('"') == f"number of rows {effect}":
                    setattr(added, effect, getattr(added, effect) + int(value))


def _schema_changes(
    table: Incremental, new: Mapping[str, DataType], there: Mapping[str, DataType], added: Added
) -> list[Sql]:
    """Return the statements that make room for new columns and longer values; note the new columns.

    Raises:
        StepError: the columns differ in a way that ``on_schema_change`` does not allow.
    """
    extra = [column for column in new if column not in there]
    gone = [column for column in there if column not in new]
    if table.on_schema_change == "fail" and (extra or gone):
        told = [f"the query adds {', '.join(extra)}"] if extra else []
        told += [f"the query no longer has {', '.join(gone)}"] if gone else []
        raise StepError(
            f"the columns of the incremental table {table.name} differ: {'; '.join(told)}. Set on_schema_change to "
            "append_new_columns or ignore, or build the table again with --full-refresh"
        )
    statements = []
    if table.on_schema_change == "append_new_columns":
        added.columns = extra
        statements = [
            sql(
                "ALTER TABLE {name} ADD COLUMN {c} {kind}",
                name=table.name,
                c=Identifier(column),
                kind=new[column],
            )
            for column in extra
        ]
    for column, kind in there.items():
        value = new.get(column, kind)
        if value == kind or value.widens_to(kind):
            continue
        if not kind.widens_to(value):
            raise StepError(
                f"the column {column} of the incremental table {table.name} is {kind}, and the query gives {value}: "
                "cast it in the query, or build the table again with --full-refresh"
            )
        statements.append(
            sql(
                "ALTER TABLE {name} ALTER COLUMN {c} SET DATA TYPE {kind}",
                name=table.name,
                c=Identifier(column),
                kind=value,
            )
        )
    return statements


def _check_keys(ctx: RunContext, table: Incremental) -> None:
    """Refuse new rows without a key, and two new rows with the same key.

    A MERGE that would update one row from two is an error on Snowflake too, which does not name the key:
    https://docs.snowflake.com/en/sql-reference/sql/merge#duplicate-join-behavior
    """
    key = join(", ", table.key)
    wrong = ctx.execute(
        sql(
            "SELECT {key}, COUNT(*) AS N FROM {staging} GROUP BY {key} HAVING COUNT(*) > 1 OR {null} "
            "ORDER BY N DESC LIMIT 1",
            key=key,
            staging=table.staging,
            null=join(" OR ", [sql("{c} IS NULL", c=column) for column in table.key]),
        )
    )
    if not wrong:
        return
    *values, rows = wrong[0]
    shown = ", ".join(f"{column} {value}" for column, value in zip(table.key, values, strict=True))
    if None in values:
        raise StepError(f"a new row of {table.name} has no key ({shown}): filter such rows out in the query")
    raise StepError(
        f"{rows} new rows of {table.name} have the same key ({shown}): keep one of them, for example with "
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {', '.join(map(str, table.key))} ORDER BY ...) = 1"
    )
