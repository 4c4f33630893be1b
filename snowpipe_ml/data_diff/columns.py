"""The columns of two tables: what differs in their types, and the SQL that makes their values comparable."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snowpipe_ml.plugins.connection import Connection, execute
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql, sql

# Of DESCRIBE on a table, schema or database that does not exist, or that the role may not see.
_ABSENT = (2003, 2043)
_SEMI_STRUCTURED = ("VARIANT", "OBJECT", "ARRAY", "MAP")
_SHAPES = ("GEOGRAPHY", "GEOMETRY")
_MOMENTS = ("TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ")
_FORMATS = {"DATE": "YYYY-MM-DD", "TIME": "HH24:MI:SS.FF9"}
_TIME = "YYYY-MM-DD HH24:MI:SS.FF9"


@dataclass(frozen=True)
class Shared:
    """A column that both tables have.

    Attributes:
        name: its name.
        here: its type in A.
        there: its type in B.
    """

    name: Identifier
    here: str
    there: str

    @property
    def is_float(self) -> bool:
        """Return whether its values are compared with a tolerance."""
        kinds = {_kind(self.here), _kind(self.there)}
        return "FLOAT" in kinds and kinds <= {"FLOAT", "NUMBER"}

    def value(self, kind: str) -> Sql:
        """Return the value as SQL that can be compared with that of the other table, and ordered.

        Args:
            kind: the type of the column in the table that is read.
        """
        base = _kind(kind)
        if self.is_float:
            return sql("CAST({name} AS FLOAT)", name=self.name)
        if {_kind(self.here), _kind(self.there)} == {"NUMBER"} and self.here != self.there:
            scale = max(_scale(self.here), _scale(self.there))
            return sql("CAST({name} AS NUMBER(38, {scale}))", name=self.name, scale=Literal(scale))
        plain = _plain(self.name, base)
        return plain if _alike(self.here, self.there) else _as_text(plain, base)

    def text(self, kind: str) -> Sql:
        """Return the value as a text that is the same on every target.

        Args:
            kind: the type of the column in the table that is read.
        """
        base = "NUMBER" if self.is_float else _kind(kind)
        value = self.value(kind)
        return value if not _alike(self.here, self.there) and not self.is_float else _as_text(value, base)


def _plain(name: Identifier, base: str) -> Sql:
    if base in _SEMI_STRUCTURED:
        return sql("TO_JSON(TO_VARIANT({name}))", name=name)
    if base in _SHAPES:
        return sql("ST_ASWKT({name})", name=name)
    if base == "VECTOR":
        return sql("TO_JSON(TO_VARIANT({name}::ARRAY))", name=name)
    return sql("{name}", name=name)


def _as_text(value: Sql, base: str) -> Sql:
    if base in _FORMATS:
        return sql("TO_VARCHAR({value}, {format})", value=value, format=Literal(_FORMATS[base]))
    if base in ("TIMESTAMP_LTZ", "TIMESTAMP_TZ"):
        value = sql("CONVERT_TIMEZONE('UTC', {value})", value=value)
    if base in _MOMENTS:
        return sql("TO_VARCHAR({value}, {format})", value=value, format=Literal(_TIME))
    if base == "BINARY":
        return sql("TO_VARCHAR({value}, 'HEX')", value=value)
    texts = ("VARCHAR", "VECTOR", *_SEMI_STRUCTURED, *_SHAPES)
    return value if base in texts else sql("TO_VARCHAR({value})", value=value)


def _alike(here: str, there: str) -> bool:
    """Return whether values of two types can be compared as they are."""
    first, second = _kind(here), _kind(there)
    return (
        first == second
        or {first, second} <= {"NUMBER", "FLOAT"}
        or (first in _SEMI_STRUCTURED and second in _SEMI_STRUCTURED)
    )


def _kind(described: str) -> str:
    return re.split(r"[^A-Z_]", described.upper(), maxsplit=1)[0]


def _scale(described: str) -> int:
    found = re.search(r",\s*(\d+)", described)
    return int(found[1]) if found is not None else 0


def described(connection: Connection, name: QualifiedName) -> dict[Identifier, str] | None:
    """Return the types of the columns of a table or view; None if it does not exist, or cannot be seen.

    Raises:
        snowflake.connector.errors.Error: the statement failed for another reason.
    """
    from snowflake.connector.errors import ProgrammingError

    try:
        rows = execute(connection, sql("DESCRIBE TABLE {name}", name=name))
    except ProgrammingError as error:
        if error.errno in _ABSENT:
            return None
        raise
    return {Identifier(str(row["name"])): str(row["type"]) for row in rows}


def shared(here: Mapping[Identifier, str], there: Mapping[Identifier, str]) -> list[Shared]:
    """Return the columns that both tables have, in the order of A."""
    return [Shared(name, kind, there[name]) for name, kind in here.items() if name in there]


def schema_differences(
    here: Mapping[Identifier, str], there: Mapping[Identifier, str]
) -> list[tuple[str, str | None, str | None]]:
    """Return the columns that only one table has, or whose types differ: the name, the type in A, and that in B."""
    return [
        (name.name, here.get(name), there.get(name))
        for name in dict.fromkeys([*here, *there])
        if here.get(name) != there.get(name)
    ]


def numbered(
    table: QualifiedName, key: Sequence[Sql], others: Sequence[Sql], selected: Sequence[Fragment]
) -> Sql:
    """Return the query for rows with the number of each row among those with its key, as R.

    Args:
        table: the table.
        key: the values of the key.
        others: the values that order the rows with the same key, so that equal rows get equal numbers.
        selected: what is selected, each with its alias.
    """
    within = _listed("PARTITION BY", key)
    order = _listed("ORDER BY", [sql("{value} NULLS FIRST", value=value) for value in others] or [Sql("1")])
    return sql(
        "SELECT {selected}, ROW_NUMBER() OVER ({within} {order}) AS R FROM {table}",
        selected=Sql(", ".join(str(each) for each in selected)),
        within=within,
        order=order,
        table=table,
    )


def _listed(words: str, values: Sequence[Sql]) -> Sql:
    return Sql(f"{words} " + ", ".join(value.text for value in values)) if values else Sql("")
