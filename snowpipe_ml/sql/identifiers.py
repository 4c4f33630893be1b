"""Names of Snowflake objects, as types that quote themselves where necessary.

Snowflake stores an unquoted name in upper case and a quoted name as it is written
(https://docs.snowflake.com/en/sql-reference/identifiers-syntax). Both types hold the stored form, so
``Identifier.parse('trips') == Identifier.parse('"TRIPS"')``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

_STORED_AS_UNQUOTED = re.compile(r"[A-Z_][A-Z0-9_$]*\Z")
_PART = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([A-Za-z_][A-Za-z0-9_$]*))\s*')
_MAX_LENGTH = 255

# Reserved words, which must be quoted to be used as names:
# https://docs.snowflake.com/en/sql-reference/reserved-keywords
_RESERVED = frozenset(
    [
        "ACCOUNT",
        "ALL",
        "ALTER",
        "AND",
        "ANY",
        "AS",
        "BETWEEN",
        "BY",
        "CASE",
        "CAST",
        "CHECK",
        "COLUMN",
        "CONNECT",
        "CONNECTION",
        "CONSTRAINT",
        "CREATE",
        "CROSS",
        "CURRENT",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "CURRENT_TIMESTAMP",
        "CURRENT_USER",
        "DATABASE",
        "DELETE",
        "DISTINCT",
        "DROP",
        "ELSE",
        "EXISTS",
        "FALSE",
        "FOLLOWING",
        "FOR",
        "FROM",
        "FULL",
        "GRANT",
        "GROUP",
        "GSCLUSTER",
        "HAVING",
        "ILIKE",
        "IN",
        "INCREMENT",
        "INNER",
        "INSERT",
        "INTERSECT",
        "INTO",
        "IS",
        "ISSUE",
        "JOIN",
        "LATERAL",
        "LEFT",
        "LIKE",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "MINUS",
        "NATURAL",
        "NOT",
        "NULL",
        "OF",
        "ON",
        "OR",
        "ORDER",
        "ORGANIZATION",
        "QUALIFY",
        "REGEXP",
        "REVOKE",
        "RIGHT",
        "RLIKE",
        "ROW",
        "ROWS",
        "SAMPLE",
        "SCHEMA",
        "SELECT",
        "SET",
        "SOME",
        "START",
        "TABLE",
        "TABLESAMPLE",
        "THEN",
        "TO",
        "TRIGGER",
        "TRUE",
        "TRY_CAST",
        "UNION",
        "UNIQUE",
        "UPDATE",
        "USING",
        "VALUES",
        "VIEW",
        "WHEN",
        "WHENEVER",
        "WHERE",
        "WITH",
    ]
)


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """One part of a name, in the form that Snowflake stores.

    Args:
        name: the stored name: ``TRIPS`` for ``trips``, ``my trips`` for ``"my trips"``.

    Raises:
        ValueError: the name is empty, longer than 255 characters, or contains a NUL character.
    """

    name: str

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > _MAX_LENGTH or "\0" in self.name:
            raise ValueError(f"not a Snowflake identifier: {self.name[:40]!r}")

    @classmethod
    def parse(cls, text: str) -> Identifier:
        """Parse a name as written in SQL: ``trips`` or ``"my trips"``.

        Raises:
            ValueError: the text is not a single name, or is a reserved word without quotes.
        """
        parts = QualifiedName.parse(text).parts
        if len(parts) != 1:
            raise ValueError(f"expected one name without dots, not {text!r}")
        return parts[0]

    @property
    def sql(self) -> str:
        """The name as SQL text, quoted only if necessary."""
        if _STORED_AS_UNQUOTED.match(self.name) and self.name not in _RESERVED:
            return self.name
        return '"' + self.name.replace('"', '""') + '"'

    def __str__(self) -> str:
        return self.sql


@dataclass(frozen=True)
class QualifiedName:
    """A name of one to three parts: ``[[database.]schema.]name``.

    Two names are equal if all their parts are equal; ``TRIPS`` and ``ML.TRIPS`` are different names.
    """

    parts: tuple[Identifier, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.parts) <= 3:
            raise ValueError("a name has one to three parts: [[database.]schema.]name")

    @classmethod
    def of(cls, *names: str) -> QualifiedName:
        """Build a name from parts in stored form: ``QualifiedName.of("ML", "TRIPS")``."""
        return cls(tuple(Identifier(name) for name in names))

    @classmethod
    def parse(cls, text: str) -> QualifiedName:
        """Parse a name as written in SQL.

        Raises:
            ValueError: the text is not a name; the message gives the reason.
        """
        parts: list[Identifier] = []
        position = 0
        while True:
            match = _PART.match(text, position)
            if not match:
                raise ValueError(
                    f"not a name: {text!r} (letters, digits, _ and $, not starting with a digit; "
                    'anything else in double quotes: "my table")'
                )
            quoted, plain = match.groups()
            if plain is not None:
                if plain.upper() in _RESERVED:
                    raise ValueError(
                        f'{plain!r} is a reserved word; as a name it needs double quotes: "{plain.upper()}"'
                    )
                parts.append(Identifier(plain.upper()))
            else:
                parts.append(Identifier(quoted.replace('""', '"')))
            position = match.end()
            if position == len(text):
                return cls(tuple(parts))
            if text[position] != ".":
                raise ValueError(f"not a name: {text!r} (unexpected {text[position]!r})")
            position += 1

    @property
    def name(self) -> Identifier:
        """The last part of the name."""
        return self.parts[-1]

    @cached_property
    def sql(self) -> str:
        """The name as SQL text."""
        return ".".join(part.sql for part in self.parts)

    def __str__(self) -> str:
        return self.sql
