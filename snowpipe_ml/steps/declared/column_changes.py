"""A declared table beside the one that is there: what differs, and the statements that help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from snowpipe_ml.sql import DataType, Identifier, QualifiedName, sql


def differences(
    name: QualifiedName, declared: Mapping[str, DataType], described: Iterable[tuple[str, str]]
) -> tuple[list[str], list[str]]:
    """Compare the columns of a declared table with those on the target.

    Args:
        name: the table.
        declared: the names of the columns, as they are stored, with their types.
        described: (name, type) of each column, as DESCRIBE TABLE has them.

    Returns:
        What differs, and for each difference that Snowflake changes in place the statement that does so.
    """
    there = dict(described)
    found, statements = [], []
    for column, kind in declared.items():
        quoted, wanted = Identifier(column), kind.complete
        if column not in there:
            found.append(f"it lacks {quoted} {wanted}")
            statements.append(
                sql("ALTER TABLE {name} ADD COLUMN {column} {kind}", name=name, column=quoted, kind=kind)
            )
            continue
        has = _parsed(there[column])
        if has is not None and has.complete == wanted:
            continue
        found.append(f"{quoted} is {there[column]} and declared {wanted}")
        if has is not None and has.complete.widens_to(wanted):
            statements.append(
                sql(
                    "ALTER TABLE {name} ALTER COLUMN {column} SET DATA TYPE {kind}",
                    name=name,
                    column=quoted,
                    kind=wanted,
                )
            )
    for column in there:
        if column not in declared:
            found.append(f"{Identifier(column)} is not declared")
            statements.append(
                sql("ALTER TABLE {name} DROP COLUMN {column}", name=name, column=Identifier(column))
            )
    return found, [statement.text for statement in statements]


def advice(name: QualifiedName, found: list[str], statements: list[str]) -> str:
    """The error of a table that is not as it is declared, with what helps."""
    text = f"{name} is not as the spec declares it: {'; '.join(found)}. "
    if len(statements) == len(found):
        return f"{text}Change the spec, or the table with: {'; '.join(statements)};"
    return f"{text}Change the spec; or copy the rows that you need, drop the table with: DROP TABLE {name.sql}; and run again"


def _parsed(text: str) -> DataType | None:
    try:
        return DataType.parse(text)
    except ValueError:  # a type that no spec can declare
        return None
