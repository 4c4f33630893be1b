"""The columns of tables and views: their Snowflake declarations, and their storage in DuckDB."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from snowpipe_ml.local.catalog.properties import KEYS, properties_of, set_property
from snowpipe_ml.local.core.names import CATALOG, Name, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import MICROSECONDS, Column
from snowpipe_ml.sql import DataType

# The sequence of an AUTOINCREMENT column; see statements/columns.py.
_IDENTITY = re.compile(r"_IDENTITY_[0-9A-F]{32}")
_LONGEST = DataType.parse("VARCHAR").complete.parameters[0]
_FINEST = DataType.parse("TIME").complete.parameters[0]


@dataclass(frozen=True, slots=True)
class Declared:
    """A column of a table as it was declared.

    Attributes:
        type: the type with all its parameters, such as NUMBER(38,0).
        default: the expression of its default; None for an AUTOINCREMENT column.
    """

    name: str
    type: str
    default: str | None

    @property
    def length(self) -> int | None:
        """The length of a VARCHAR that is shorter than the longest."""
        kind = DataType.parse(self.type)
        limited = kind.name == "VARCHAR" and kind.parameters[0] < _LONGEST
        return kind.parameters[0] if limited else None

    @property
    def scale(self) -> int | None:
        """The digits of the fractions of seconds of a time or timestamp that has fewer than nine."""
        kind = DataType.parse(self.type).complete
        cut = kind.name.startswith("TIME") and kind.parameters[0] < _FINEST
        return kind.parameters[0] if cut else None


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """A column of a table or view.

    Attributes:
        column: its name, DuckDB's type and the length of a VARCHAR.
        declared: its declaration; None for a column of a view or of a query's result.
        comment: its comment.
        identity: (start, increment) of an AUTOINCREMENT column.
        computed: the default in DuckDB's SQL.
    """

    column: Column
    declared: Declared | None
    comment: str | None
    identity: tuple[int, int] | None
    computed: str | None

    @property
    def name(self) -> str:
        """The stored name of the column."""
        return self.column.name

    @property
    def type(self) -> str:
        """The type with all its parameters, as it was declared if it was."""
        return self.declared.type if self.declared is not None else self.column.snowflake

    @property
    def default(self) -> str | None:
        """The default, as it was declared if it was; None for an AUTOINCREMENT column."""
        if self.identity is not None:
            return None
        return self.declared.default if self.declared is not None else self.computed

    @property
    def shown_default(self) -> str | None:
        """The default as DESCRIBE TABLE shows it."""
        if self.identity is not None:
            return "IDENTITY START {} INCREMENT {} NOORDER".format(*self.identity)
        return self.default

    @property
    def sql(self) -> str:
        """The column in a CREATE TABLE statement of DuckDB."""
        return column_sql(
            self.name,
            self.column.duckdb,
            required=not self.column.nullable,
            default=self.computed,
            length=self.column.length,
        )


def column_sql(name: str, kind: str, *, required: bool, default: str | None, length: int | None) -> str:
    """Return a column in a CREATE TABLE statement of DuckDB; it checks the length of a VARCHAR."""
    return (
        f"{quoted(name)} {kind}"
        + (" NOT NULL" if required else "")
        + (f" DEFAULT {default}" if default is not None else "")
        + (f" CHECK (length({quoted(name)}) <= {length})" if length is not None else "")
    )


def declare(session: Session, table: Name, columns: Sequence[Declared]) -> None:
    """Keep the declarations of columns, in place of earlier ones."""
    kept = session.catalog(table[0], "COLUMNS")
    if columns:
        session.duck.execute(
            f"DELETE FROM {kept} WHERE schema_name = ? AND table_name = ? AND list_contains(?, column_name)",
            [*table[1:], [column.name for column in columns]],
        )
        session.duck.execute(
            f"INSERT INTO {kept} VALUES {', '.join(['(?, ?, ?, ?, ?)'] * len(columns))}",
            [part for c in columns for part in (*table[1:], c.name, c.type, c.default)],
        )


def scales_of(session: Session, table: Name) -> dict[str, int]:
    """Return the scales of the times and timestamps of a table that keep less than microseconds."""

    def find() -> dict[str, int]:
        found = session.duck.execute(
            f"SELECT column_name, type FROM {session.catalog(table[0], 'COLUMNS')} WHERE schema_name = ? "
            "AND table_name = ? AND starts_with(type, 'TIME') AND NOT ends_with(type, '(9)')",
            list(table[1:]),
        ).fetchall()
        scales = {name: Declared(name, kind, None).scale for name, kind in found}
        return {name: scale for name, scale in scales.items() if scale is not None and scale < MICROSECONDS}

    return session.known(("scales", *table), find)


def copy_declared(session: Session, source: Name, target: Name) -> None:
    """Copy the declarations of a table to another one with the same columns."""
    session.duck.execute(
        f'INSERT INTO {session.catalog(target[0], "COLUMNS")} SELECT ?, ?, column_name, type, "default" '
        f"FROM {session.catalog(source[0], 'COLUMNS')} WHERE schema_name = ? AND table_name = ?",
        [*target[1:], *source[1:]],
    )


def stored_columns(session: Session, table: Name) -> list[StoredColumn]:
    """List the columns of a table or view, in order; an empty list if it does not exist."""
    found = session.known(("stored", *table), lambda: all_columns(session, *table))
    return [column for _, column in found]


def all_columns(
    session: Session, database: str, schema: str | None = None, table: str | None = None
) -> list[tuple[Name, StoredColumn]]:
    """List the columns of the tables and views of a database or a schema, or of one of them, in order."""
    some = "schema_name = coalesce(?, schema_name) AND table_name = coalesce(?, table_name)"
    given = {
        (of_schema, of_table, name): Declared(name, kind, default)
        for of_schema, of_table, name, kind, default in session.duck.execute(
            f"SELECT * FROM {session.catalog(database, 'COLUMNS')} WHERE {some}", [schema, table]
        ).fetchall()
    }
    found = session.duck.execute(
        "SELECT schema_name, table_name, column_name, data_type, is_nullable, column_default, comment "
        f"FROM duckdb_columns() WHERE database_name = ? AND {some} AND schema_name <> '{CATALOG}' AND NOT internal "
        "ORDER BY schema_name, table_name, column_index",
        [database, schema, table],
    ).fetchall()
    columns = []
    for of_schema, of_table, name, kind, nullable, computed, comment in found:
        declared = given.get((of_schema, of_table, name))
        column = Column(name, kind, nullable)
        if declared is not None:
            column = replace(column, length=declared.length, scale=declared.scale)
        stored = StoredColumn(column, declared, comment, _identity(session, computed), computed)
        columns.append(((database, of_schema, of_table), stored))
    return columns


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a table, which Snowflake does not enforce.

    Attributes:
        primary: the columns of the primary key.
        unique: the columns of each unique key.
        foreign: (columns, table, columns) of each foreign key, the table as it was written.
    """

    primary: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    foreign: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = ()

    def dumps(self) -> str:
        """Return the keys as JSON."""
        return json.dumps([self.primary, self.unique, self.foreign])

    @classmethod
    def loads(cls, text: str) -> Keys:
        """Recreate the keys from JSON."""
        primary, unique, foreign = json.loads(text)
        return cls(
            tuple(primary),
            tuple(map(tuple, unique)),
            tuple((tuple(columns), table, tuple(others)) for columns, table, others in foreign),
        )


def keys_of(session: Session, table: Name) -> Keys:
    """Return the keys of a table."""
    text = properties_of(session, table).get(KEYS)
    return Keys.loads(text) if text else Keys()


def rename_in_keys(session: Session, table: Name, old: str, new: str) -> None:
    """Rename a column in the keys."""

    def renamed(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new if column == old else column for column in columns)

    keys = keys_of(session, table)
    if keys != Keys():
        changed = Keys(
            renamed(keys.primary),
            tuple(map(renamed, keys.unique)),
            tuple((renamed(columns), target, others) for columns, target, others in keys.foreign),
        )
        set_property(session, table, KEYS, changed.dumps())


def copy_comments(session: Session, source: Name, target: Name) -> None:
    """Copy the keys of a table, and the comments of its columns, to a copy of the table."""
    set_property(session, target, KEYS, properties_of(session, source).get(KEYS))
    for stored in stored_columns(session, source):
        if stored.comment is not None:
            session.duck.execute(
                f"COMMENT ON COLUMN {quoted(*target, stored.name)} IS {literal(stored.comment)}"
            )


def _identity(session: Session, default: str | None) -> tuple[int, int] | None:
    """Return (start, increment) of the hidden sequence that a default reads, if it reads one."""
    if not _IDENTITY.search(default or ""):
        return None
    # By its whole name: a cloned table has a sequence of the same name in another schema.
    row = session.duck.execute(
        "SELECT start_value, increment_by FROM duckdb_sequences() WHERE contains("
        "$1, concat('\"', database_name, '\".\"', schema_name, '\".\"', sequence_name, '\"'))",
        [default],
    ).fetchone()
    return (row[0], row[1]) if row else None
