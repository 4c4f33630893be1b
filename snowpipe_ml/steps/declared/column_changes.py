"""Compare a declared table with the existing one: what ALTER TABLE can change, and what it would lose.

New columns are added and wider types are set in place. A column that the spec has no more is dropped if it has
no value. What would lose values is refused with the statements to run by hand.
https://docs.snowflake.com/en/sql-reference/sql/alter-table-column
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from snowpipe_ml.plugins import Change, Changes
from snowpipe_ml.sql import DataType, Identifier, QualifiedName, Sql, sql


@dataclass
class _Found:
    """The differences of one table.

    Attributes:
        told: the differences.
        safe: the statements that lose nothing.
        lossy: why some differences are not removed by a run.
        by_hand: the statements that remove those.
    """

    told: list[Change] = field(default_factory=list)
    safe: list[Sql] = field(default_factory=list)
    lossy: list[str] = field(default_factory=list)
    by_hand: list[Sql] = field(default_factory=list)


def column_changes(
    name: QualifiedName,
    declared: Mapping[str, DataType],
    described: Iterable[tuple[str, str]],
    has_values: Callable[[Identifier], bool],
) -> Changes:
    """Compare the columns of a declared table with those on the target.

    Args:
        name: the table.
        declared: the stored names of the declared columns, with their types.
        described: (name, type) of each column, as DESCRIBE TABLE returns them.
        has_values: returns whether a column of the table has a value that is not NULL.
    """
    there = dict(described)
    found = _Found()
    missing = [column for column in declared if column not in there]
    for column, kind in declared.items():
        if column in there:
            _compare(found, name, Identifier(column), there[column], kind)
    for column in missing:
        found.told.append(Change(Identifier(column).sql, "none", declared[column].complete.sql))
        found.safe.append(
            sql(
                "ALTER TABLE {name} ADD COLUMN {column} {kind}",
                name=name,
                column=Identifier(column),
                kind=declared[column],
            )
        )
    for column in there:
        if column not in declared:
            _drop(found, name, Identifier(column), there[column], has_values)
    return Changes(tuple(found.told), tuple(found.safe), _refusal(name, found, missing, declared, there))


def _compare(found: _Found, name: QualifiedName, column: Identifier, has: str, kind: DataType) -> None:
    """Compare the type of a column."""
    wanted, old = kind.complete, _parsed(has)
    if old is not None and old.complete == wanted:
        return
    found.told.append(Change(column.sql, has, wanted.sql))
    if old is not None and old.complete.widens_to(wanted):
        found.safe.append(
            sql(
                "ALTER TABLE {name} ALTER COLUMN {column} SET DATA TYPE {kind}",
                name=name,
                column=column,
                kind=wanted,
            )
        )
        return
    found.lossy.append(f"{column} is {has} and declared {wanted}, to which ALTER TABLE cannot change it")
    new = Identifier(f"{column.name}_NEW")
    found.by_hand += [
        sql("ALTER TABLE {name} ADD COLUMN {new} {kind}", name=name, new=new, kind=wanted),
        sql("UPDATE {name} SET {new} = {column}::{kind}", name=name, new=new, column=column, kind=wanted),
        sql("ALTER TABLE {name} DROP COLUMN {column}", name=name, column=column),
        sql("ALTER TABLE {name} RENAME COLUMN {new} TO {column}", name=name, new=new, column=column),
    ]


def _drop(
    found: _Found, name: QualifiedName, column: Identifier, has: str, has_values: Callable[[Identifier], bool]
) -> None:
    """Drop a column that is not declared, if it has no value."""
    statement = sql("ALTER TABLE {name} DROP COLUMN {column}", name=name, column=column)
    found.told.append(Change(column.sql, has, "none"))
    if not has_values(column):
        found.safe.append(statement)
        return
    found.lossy.append(f"{column} is not declared, and has values")
    found.by_hand.append(statement)


def _refusal(
    name: QualifiedName,
    found: _Found,
    missing: list[str],
    declared: Mapping[str, DataType],
    there: Mapping[str, str],
) -> str | None:
    """Return the message about differences that a run does not remove; None if there are none."""
    if not found.lossy:
        return None
    text = (
        f"{name} does not match its declaration in the spec: {'; '.join(found.lossy)}. Change the spec, or the table "
        f"with: {'; '.join(statement.text for statement in found.by_hand)};"
    )
    gone = [column for column in there if column not in declared]
    if len(gone) == len(missing) == 1:
        renamed = sql(
            "ALTER TABLE {name} RENAME COLUMN {old} TO {new}",
            name=name,
            old=Identifier(gone[0]),
            new=Identifier(missing[0]),
        )
        text += f" If the column was renamed, run instead: {renamed.text};"
    return text


def _parsed(text: str) -> DataType | None:
    try:
        return DataType.parse(text)
    except ValueError:  # a type that a spec cannot declare
        return None
