"""Compare a declared table with the existing one, and suggest statements that remove the differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from snowpipe_ml.sql import DataType, Identifier, QualifiedName, sql


def differences(
    name: QualifiedName, declared: Mapping[str, DataType], described: Iterable[tuple[str, str]]
) -> tuple[list[str], list[str]]:
    """Compare the columns of a declared table with those on the target.

    Args:
        name: the table.
        declared: the stored names of the declared columns, with their types.
        described: (name, type) of each column, as DESCRIBE TABLE returns them.

    Returns:
        The differences, and a statement for each difference that Snowflake can change in place.
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
    """Return the error message for a table that differs from its declaration, with the remedy."""
    text = f"{name} does not match its declaration in the spec: {'; '.join(found)}. "
    if len(statements) == len(found):
        return f"{text}Change the spec, or the table with: {'; '.join(statements)};"
    return f"{text}Change the spec; or copy the rows that you need, drop the table with: DROP TABLE {name.sql}; and run again"


def _parsed(text: str) -> DataType | None:
    try:
        return DataType.parse(text)
    except ValueError:  # a type that a spec cannot declare
        return None
