"""The base classes of the kinds of schema objects: how objects are found, shown, dropped, cloned and printed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, literal
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Row

Schema = tuple[str, str]
"""Database and schema."""


class Kind(ABC):
    """A kind of schema object, such as a table or a stage.

    Attributes:
        word: its name in statements, such as FILE FORMAT.
        overloaded: whether objects of one name differ by the types of their arguments.
    """

    word: ClassVar[str]
    overloaded: ClassVar[bool] = False

    @property
    def title(self) -> str:
        """The word in messages."""
        return self.word.capitalize()

    def label(self, name: Name, arguments: str) -> str:
        """Return the name of an object in the message that it does not exist."""
        return ".".join(name)

    @abstractmethod
    def exists(self, session: Session, name: Name) -> bool:
        """Return whether an object exists."""

    @abstractmethod
    def drop(self, session: Session, name: Name, arguments: str = "") -> bool:
        """Drop an object; return False if it does not exist."""

    def drop_schema(self, session: Session, database: str, schema: str) -> None:
        """Drop what is left of the objects of a schema after DuckDB has dropped the schema."""

    def drop_temporary(self, session: Session, database: str) -> None:
        """Drop the temporary objects of a session."""

    def clone(self, session: Session, source: Schema, target: Schema) -> None:
        """Clone the objects of a schema into an empty one."""

    def ddl(self, session: Session, name: Name, arguments: str) -> str:
        """Return the statement that recreates an object.

        Raises:
            ProgrammingError: the object does not exist.
            UnsupportedError: GET_DDL does not support the kind.
        """
        raise errors.UnsupportedError(f"GET_DDL of a {self.word}")


class Listed(Kind):
    """A kind whose objects are the rows of one relation.

    Attributes:
        shown: the columns of its SHOW: name, type, and the expression over a row of ``relation``.
    """

    shown: ClassVar[Sequence[tuple[str, str, str]]] = ()

    @abstractmethod
    def relation(self, session: Session, database: str) -> str:
        """Return the objects of a database as a relation with database_name, schema_name and name."""

    def exists(self, session: Session, name: Name) -> bool:
        """Return whether an object exists."""
        found = session.duck.execute(
            f"SELECT 1 FROM {self.relation(session, name[0])} WHERE schema_name = ? AND name = ?",
            list(name[1:]),
        )
        return bool(found.fetchone())

    def rows(self, session: Session, database: str) -> list[tuple[str, str, Row]]:
        """List the objects of a database: schema, name, and the row in the result of SHOW."""
        listed = ", ".join(expression for _, _, expression in self.shown)
        found = session.duck.execute(
            f"SELECT schema_name, name, {listed} FROM {self.relation(session, database)} ORDER BY 1, 2"
        ).fetchall()
        return [(row[0], row[1], row[2:]) for row in found]


class Kept(Listed):
    """A kind whose objects are stored in a table of the catalog.

    Attributes:
        table: the table.
        where: the condition that distinguishes these rows from those of another kind in the same table.
        temporary: whether an object may belong to a session, named in the column ``session``.
        owned: an expression over a row: what the object owns outside of its row; see ``release``.
        cloned: the columns that a clone has, and the expressions for them.
    """

    table: ClassVar[str]
    where: ClassVar[str] = "true"
    temporary: ClassVar[bool] = False
    owned: ClassVar[str] = "NULL"
    cloned: ClassVar[Mapping[str, str]] = {}

    def relation(self, session: Session, database: str) -> str:
        """Return the table of the catalog."""
        table = session.catalog(database, self.table)
        return f"(SELECT {literal(database)} AS database_name, * FROM {table} WHERE {self.where})"

    def add(self, session: Session, name: Name, values: Mapping[str, object]) -> None:
        """Add an object; the values are those of its other columns."""
        columns = ", ".join(["schema_name", "name", *values])
        marks = ", ".join("?" * (len(values) + 2))
        session.duck.execute(
            f"INSERT INTO {session.catalog(name[0], self.table)} ({columns}) VALUES ({marks})",
            [*name[1:], *values.values()],
        )

    def drop(self, session: Session, name: Name, arguments: str = "") -> bool:
        """Delete an object and what it owns; return False if it does not exist."""
        return self._delete(session, name[0], "schema_name = ? AND name = ?", name[1:])

    def drop_schema(self, session: Session, database: str, schema: str) -> None:
        """Delete the objects of a schema and what they own."""
        self._delete(session, database, "schema_name = ?", [schema])

    def drop_temporary(self, session: Session, database: str) -> None:
        """Delete the objects of a session and what they own."""
        owner = [str(session.session_id)]
        # Without temporary objects nothing is written, so that a session can end on a full disk.
        temporary = f"SELECT 1 FROM {session.catalog(database, self.table)} WHERE session = ?"
        if self.temporary and session.duck.execute(temporary, owner).fetchone():
            self._delete(session, database, "session = ?", owner)

    def clone(self, session: Session, source: Schema, target: Schema) -> None:
        """Copy the rows of a schema, without temporary objects."""
        if self.cloned:
            lasting = " AND session IS NULL" if self.temporary else ""
            session.duck.execute(
                f"INSERT INTO {session.catalog(target[0], self.table)} (schema_name, {', '.join(self.cloned)}) "
                f"SELECT ?, {', '.join(self.cloned.values())} FROM {self.relation(session, source[0])} "
                f"WHERE schema_name = ?{lasting}",
                [target[1], source[1]],
            )

    def release(self, session: Session, database: str, owned: str) -> None:
        """Remove what a deleted object owned."""

    def _delete(self, session: Session, database: str, where: str, values: Sequence[str]) -> bool:
        gone = session.duck.execute(
            f"DELETE FROM {session.catalog(database, self.table)} WHERE {self.where} AND {where} "
            f"RETURNING {self.owned}",
            list(values),
        ).fetchall()
        for (owned,) in gone:
            if owned is not None:
                self.release(session, database, owned)
        return bool(gone)


PLACE = (
    ("name", "VARCHAR", "name"),
    ("database_name", "VARCHAR", "database_name"),
    ("schema_name", "VARCHAR", "schema_name"),
)
"""The columns of a SHOW that say which object it is."""

CREATED = ("created_on", "TIMESTAMP WITH TIME ZONE", "created_on")
