"""The tables that a step has written: that they exist, their rows and versions, and whether they have their tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_NAMES = rf"{_NAME}(?:\.{_NAME})*"
_MAKES = re.compile(
    r"\s*(?:CREATE (?:OR REPLACE )?(?:TRANSIENT )?TABLE(?: IF NOT EXISTS)?|INSERT(?: OVERWRITE)? INTO|COPY INTO|MERGE INTO"
    rf"|DELETE FROM|ALTER TABLE)\s+({_NAMES})"
)
_DROPS = re.compile(rf"\s*DROP TABLE(?: IF EXISTS)?\s+({_NAMES})")


class Counted(NamedTuple):
    """A table at one moment.

    Attributes:
        rows: the number of its rows.
        version: the token of its last change.
    """

    rows: int
    version: str


class Outputs:
    """The knowledge of the tables that a step writes."""

    def __init__(self) -> None:
        self._made: dict[QualifiedName, Counted | None] = {}
        self.tagged: set[QualifiedName] = set()

    def sent(self, statement: Sql) -> None:
        """Take note of a statement that may change tables."""
        if (made := _MAKES.match(statement.text)) is not None:
            self._made[QualifiedName.parse(made[1])] = None
        elif (dropped := _DROPS.match(statement.text)) is not None:
            self._made.pop(QualifiedName.parse(dropped[1]), None)
        else:  # it may change any table that it names
            for name in self._made:
                if re.search(rf"\b{re.escape(name.name.name)}\b", statement.text, re.I):
                    self._made[name] = None

    def counted(self, names: Sequence[QualifiedName], row: Sequence[Any]) -> None:
        """Take note of the answer to :func:`counting`."""
        for index, name in enumerate(names):
            self._made[name] = Counted(int(row[2 * index]), str(row[2 * index + 1]))

    def known(self, name: QualifiedName) -> Counted | None:
        """Return what was counted of a table and has not changed since; None for nothing."""
        return self._made.get(name)

    def uncounted(self, names: Iterable[QualifiedName]) -> list[QualifiedName]:
        """Return those of some tables that exist, and were not counted since the step has changed them."""
        return [name for name in names if name in self._made and self._made[name] is None]


def counting(names: Iterable[QualifiedName]) -> Sql:
    """Return the query for the rows and the versions of tables."""
    pairs = [
        sql(
            "(SELECT COUNT(*) FROM {name}), SYSTEM$LAST_CHANGE_COMMIT_TIME({text})",
            name=name,
            text=Literal(name.sql),
        )
        for name in names
    ]
    return sql("SELECT {pairs}", pairs=join(", ", pairs))


def with_tags(statement: Sql, name: QualifiedName, tags: Mapping[Identifier, str]) -> Sql | None:
    """Return the statement that creates a table or view with tags; None if it creates another one, or a clone.

    https://docs.snowflake.com/en/sql-reference/sql/create-table
    """
    created = re.match(
        rf"CREATE (?:OR REPLACE )?(?:TRANSIENT )?(?:TABLE|VIEW)(?: IF NOT EXISTS)? {re.escape(name.sql)} (?=AS |\()",
        statement.text,
    )
    if created is None or not tags:
        return None
    clause = tag_clause(tags).text
    rest = statement.text[created.end() :]
    if rest.startswith("AS "):
        return Sql(f"{created[0]}{clause} {rest}")
    return Sql(f"{statement.text} {clause}") if rest.endswith(")") else None


def tag_clause(tags: Mapping[Identifier, str]) -> Sql:
    """Return the clause with which a new table or view is created with tags."""
    return sql("WITH TAG ({pairs})", pairs=tag_pairs(tags))


def tag_pairs(tags: Mapping[Identifier, str]) -> Sql:
    """Return the names of tags with their values, as ``WITH TAG`` and ``SET TAG`` have them."""
    return join(
        ", ", [sql("{name} = {value}", name=name, value=Literal(value)) for name, value in tags.items()]
    )
