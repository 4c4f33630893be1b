"""New rows of a table, in a temporary table: their columns and keys are checked before they are published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal as Choice

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import RunContext, StepResult
from snowpipe_ml.sql import DataType, Identifier, QualifiedName, Sql, join, sql

OnSchemaChange = Choice["fail", "append_new_columns", "ignore"]


def staging_of(name: QualifiedName) -> QualifiedName:
    """The temporary table of the new rows of a table."""
    return QualifiedName((*name.parts[:-1], Identifier(f"{name.name.name}__NEW_ROWS")))


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


def count(added: Added, ctx: RunContext, statement: Sql) -> None:
    """Run a statement, and add the numbers of rows that it reports by the names of its columns."""
    for row in ctx.execute(statement):
        for title, value in row.as_dict().items():
            for effect in ("inserted", "updated", "deleted"):
                if title.strip('"') == f"number of rows {effect}":
                    setattr(added, effect, getattr(added, effect) + int(value))


def schema_changes(
    name: QualifiedName,
    rule: OnSchemaChange,
    new: Mapping[str, DataType],
    there: Mapping[str, DataType],
    added: Added,
    otherwise: str = "build the table again with --full-refresh",
) -> list[Sql]:
    """Return the statements that make room for new columns and longer values; note the new columns.

    Args:
        name: the table.
        rule: which differences are allowed.
        new: the columns of the new rows.
        there: the columns of the table.
        added: the effect of the run.
        otherwise: what else the user can do about a difference.

    Raises:
        StepError: the columns differ in a way that ``on_schema_change`` does not allow.
    """
    extra = [column for column in new if column not in there]
    gone = [column for column in there if column not in new]
    if rule == "fail" and (extra or gone):
        told = [f"the query adds {', '.join(extra)}"] if extra else []
        told += [f"the query no longer has {', '.join(gone)}"] if gone else []
        raise StepError(
            f"the columns of the table {name} differ: {'; '.join(told)}. Set on_schema_change to "
            f"append_new_columns or ignore, or {otherwise}"
        )
    statements = []
    if rule == "append_new_columns":
        added.columns = extra
        statements = [
            sql(
                "ALTER TABLE {name} ADD COLUMN {c} {kind}",
                name=name,
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
                f"the column {column} of the table {name} is {kind}, and the query gives {value}: "
                f"cast it in the query, or {otherwise}"
            )
        statements.append(
            sql(
                "ALTER TABLE {name} ALTER COLUMN {c} SET DATA TYPE {kind}",
                name=name,
                c=Identifier(column),
                kind=value,
            )
        )
    return statements


def check_keys(ctx: RunContext, name: QualifiedName, key: tuple[Identifier, ...]) -> None:
    """Refuse new rows without a key, and two new rows with the same key.

    A MERGE that would update one row from two is an error on Snowflake too, which does not name the key:
    https://docs.snowflake.com/en/sql-reference/sql/merge#duplicate-join-behavior
    """
    listed = join(", ", key)
    wrong = ctx.execute(
        sql(
            "SELECT {key}, COUNT(*) AS N FROM {staging} GROUP BY {key} HAVING COUNT(*) > 1 OR {null} "
            "ORDER BY N DESC LIMIT 1",
            key=listed,
            staging=staging_of(name),
            null=join(" OR ", [sql("{c} IS NULL", c=column) for column in key]),
        )
    )
    if not wrong:
        return
    *values, rows = wrong[0]
    shown = ", ".join(f"{column} {value}" for column, value in zip(key, values, strict=True))
    if None in values:
        raise StepError(f"a new row of {name} has no key ({shown}): filter such rows out in the query")
    raise StepError(
        f"{rows} new rows of {name} have the same key ({shown}): keep one of them, for example with "
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {', '.join(map(str, key))} ORDER BY ...) = 1"
    )
