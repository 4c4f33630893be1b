"""Connections: what runs statements on a target where no Snowpark Session is needed.

Importing Snowpark takes longer than most of the work that is done without a step, so a Session is opened
only for a step. The state store and the commands that look at a target use a connection, which a target
opens without Snowpark (:meth:`Target.connect`), and which each Session also has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, SupportsInt

from snowpipe_ml.plugins.listings import Listings, ShownRow
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, sql


class Cursor(Protocol):
    """The part of a DB-API cursor that runs one statement: https://peps.python.org/pep-0249/."""

    @property
    def description(self) -> Sequence[Any] | None:
        """The columns of the result, each with its ``name``."""

    def execute(self, command: str, /, *, _statement_params: dict[str, str] | None = None) -> object:
        """Run a statement, with session parameters that hold for it only, as Snowpark passes them."""

    def executemany(
        self,
        command: str,
        seqparams: Sequence[Sequence[object]],
        /,
        *,
        _statement_params: dict[str, str] | None = None,
    ) -> object:
        """Run an INSERT for many rows, in one statement."""

    def fetchall(self) -> Sequence[Any]:
        """Return the rows of the result."""

    def fetchmany(self, size: int, /) -> Sequence[Any]:
        """Return the next rows of the result, at most so many."""


class Connection(Protocol):
    """The part of the connector's ``SnowflakeConnection`` that is used without a Session."""

    @property
    def database(self) -> str | None:
        """The current database."""

    @property
    def schema(self) -> str | None:
        """The current schema."""

    @property
    def warehouse(self) -> str | None:
        """The current warehouse."""

    @property
    def is_pyformat(self) -> bool:
        """Whether values are bound to ``%s``, and not to ``?``."""

    @property
    def session_id(self) -> SupportsInt:
        """The number of the session on the target."""

    def cursor(self) -> Cursor:
        """Return a cursor."""

    def close(self) -> None:
        """End the session."""


class Answer(Protocol):
    """A row of a result, whose values are found by the name of the column."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return the value of a column."""

    def as_dict(self) -> Mapping[str, Any]:
        """Return the values by the names of the columns."""


class Asks(Protocol):
    """Runs statements that only read, in the schema of a target: a step's context, or a connection."""

    def execute(self, statement: Sql, /) -> Sequence[Answer]:
        """Run a statement and return its rows."""

    def current_schema(self) -> Sql:
        """Return the current schema with its database."""

    def listed(self, what: str, name: QualifiedName, *, in_schema: bool = True) -> list[ShownRow]:
        """Return the rows of SHOW of an object.

        Args:
            what: the plural of its kind, as SHOW has it.
            name: the object.
            in_schema: whether its kind belongs to a schema, and not to the account.
        """


class Asked:
    """Asks a connection.

    Args:
        connection: a connection in the target's database and schema.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, statement: Sql, /) -> Sequence[Answer]:
        """Run a statement and return its rows."""
        return execute(self._connection, statement)

    def current_schema(self) -> Sql:
        """Return the current schema with its database."""
        return Sql(QualifiedName(tuple(current_schema(self._connection))).sql)

    def listed(self, what: str, name: QualifiedName, *, in_schema: bool = True) -> list[ShownRow]:
        """Return the rows of SHOW of an object."""
        return Listings().of(self.execute, what, schema_of(self, name) if in_schema else None, name.name)


def schema_of(target: Asks, name: QualifiedName) -> QualifiedName:
    """Return the schema of an object; without one, SHOW would search the whole database."""
    if len(name.parts) > 1:
        return QualifiedName(name.parts[:-1])
    return QualifiedName.parse(target.current_schema().text)


class Row(tuple[Any, ...]):
    """A row of a result: a tuple whose values are also found by the name of the column, as Snowpark's are."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str], values: Sequence[object]) -> Row:
        """Make a row of values with the names of their columns."""
        made = cls(values)
        made.names = tuple(names)
        return made

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.names.index(key) if isinstance(key, str) else key)

    def as_dict(self) -> dict[str, Any]:
        """Return the values by the names of the columns."""
        return dict(zip(self.names, self, strict=True))


def execute(connection: Connection, statement: Sql, tag: str | None = None) -> list[Row]:
    """Run one statement and return its rows.

    Args:
        connection: the connection.
        statement: the statement.
        tag: its query tag; None for that of the session.

    Raises:
        snowflake.connector.errors.Error: the statement failed.
    """
    cursor = connection.cursor()
    cursor.execute(statement.text, **_tagged(tag))
    names = [column.name for column in cursor.description or ()]
    return [Row.of(names, values) for values in cursor.fetchall()]


def _tagged(tag: str | None) -> dict[str, dict[str, str]]:
    return {} if tag is None else {"_statement_params": {"QUERY_TAG": tag}}


def insert(
    connection: Connection,
    table: QualifiedName,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    tag: str | None = None,
) -> None:
    """Insert rows by one statement whose values are bound, so that nothing has to parse them.

    Args:
        connection: the connection.
        table: the table.
        columns: the names of the columns, as they are written in a statement.
        rows: the values by row. The connector uploads more than 65,280 values to a temporary stage:
            https://docs.snowflake.com/en/sql-reference/parameters#client-stage-array-binding-threshold
        tag: the query tag of the statement; None for that of the session.

    Raises:
        snowflake.connector.errors.Error: the statement failed.
    """
    places = ", ".join(["%s" if connection.is_pyformat else "?"] * len(columns))
    named = Sql(", ".join(columns))
    statement = sql(
        "INSERT INTO {table} ({columns}) VALUES ({places})", table=table, columns=named, places=Sql(places)
    )
    connection.cursor().executemany(statement.text, rows, **_tagged(tag))


def current_warehouse(connection: Connection) -> Identifier | None:
    """Return the current warehouse, from the connection and without a statement."""
    name = connection.warehouse
    return Identifier.parse(name if name.startswith('"') else f'"{name}"') if name else None


def current_schema(connection: Connection) -> list[Identifier]:
    """Return the current database and schema of a connection; without those that it does not have."""
    known = connection.database, connection.schema
    if not all(known):  # the connector learns them from the replies to its statements
        known = tuple(execute(connection, Sql("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()"))[0])
    return [Identifier.parse(name if name.startswith('"') else f'"{name}"') for name in known if name]
