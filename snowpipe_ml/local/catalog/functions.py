"""User-defined functions and procedures: their definitions, kept as JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from snowpipe_ml.local.catalog.kind import Kept, Schema
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, dumps
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.sql import DataType


@dataclass(frozen=True)
class Argument:
    """An argument of a function or procedure.

    Attributes:
        default: SQL text.
        output: whether the procedure assigns a value to the variable that the caller names.
    """

    name: str
    type: str
    default: str | None = None
    output: bool = False


@dataclass(frozen=True)
class Definition:
    """The definition of a function or procedure.

    Attributes:
        kind: FUNCTION, AGGREGATE or PROCEDURE.
        returns: the return type; empty if a table is returned.
        table: the columns of a table function, as (name, type).
        strict: return NULL for rows with a NULL argument, without calling the handler.
        body: the inline code; None if the handler is imported.
    """

    kind: str
    database: str
    schema: str
    name: str
    arguments: tuple[Argument, ...]
    returns: str
    table: tuple[tuple[str, str], ...]
    language: str
    runtime: str
    imports: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    handler: str = ""
    strict: bool = False
    body: str | None = None
    comment: str | None = None
    options: Options = field(default_factory=dict)

    @property
    def returns_table(self) -> bool:
        """Return whether the result is a table; a procedure may leave its columns undeclared."""
        return not self.returns

    @property
    def execute_as(self) -> str:
        """The rights of a procedure: OWNER or CALLER."""
        return str(self.options.get("EXECUTE_AS", "OWNER"))

    @property
    def signature(self) -> str:
        """The argument types that distinguish overloads, without length and scale: ``(NUMBER, VARCHAR)``."""
        return signature(argument.type for argument in self.arguments)

    @property
    def result(self) -> str:
        """The return type as DESCRIBE and SHOW print it."""
        if not self.returns_table:
            return self.returns
        return "TABLE (" + ", ".join(f"{name} {kind}" for name, kind in self.table) + ")"

    @property
    def qualified(self) -> str:
        """The qualified name: ``DB.SCHEMA.NAME``."""
        return f"{self.database}.{self.schema}.{self.name}"

    @property
    def key(self) -> str:
        """A digest of everything that a worker depends on."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:24]

    @property
    def ddl(self) -> str:
        """The statement that creates the function, as GET_DDL prints it."""
        listed = [
            f'"{a.name}" {"OUT " if a.output else ""}{a.type}'
            + (f" DEFAULT {a.default}" if a.default is not None else "")
            for a in self.arguments
        ]
        secure = "SECURE " if self.options.get("SECURE") else ""
        word = "PROCEDURE" if self.kind == "PROCEDURE" else "FUNCTION"
        lines = [
            f'CREATE OR REPLACE {secure}{word} "{self.name}"({", ".join(listed)})',
            f"RETURNS {self.result}",
            f"LANGUAGE {self.language}",
        ]
        if self.strict:
            lines.append("STRICT")
        if self.language == "PYTHON":
            packages = ",".join(f"'{package}'" for package in self.packages)
            lines += [
                f"RUNTIME_VERSION = '{self.runtime}'",
                f"PACKAGES = ({packages})",
                f"HANDLER = '{self.handler}'",
            ]
        if self.imports:
            lines.append("IMPORTS = (" + ",".join(f"'{path}'" for path in self.imports) + ")")
        if self.comment:
            lines.append("COMMENT='" + self.comment.replace("\\", "\\\\").replace("'", "''") + "'")
        if self.kind == "PROCEDURE":
            lines.append(f"EXECUTE AS {self.execute_as}")
        if self.body is not None:
            lines.append("AS '" + self.body.replace("'", "''") + "'")
        return "\n".join(lines) + ";"

    def to_json(self) -> str:
        """Return the definition as JSON for the catalog."""
        return dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Definition:
        """Return a definition from the JSON in the catalog."""
        value = json.loads(text)
        return cls(
            **{
                **value,
                "arguments": tuple(Argument(**argument) for argument in value["arguments"]),
                "table": tuple((name, kind) for name, kind in value["table"]),
                "imports": tuple(value["imports"]),
                "packages": tuple(value["packages"]),
            }
        )


def signature(types: Iterable[str]) -> str:
    """Return the argument types by which a function is looked up."""
    names = (DataType.parse(kind).name for kind in types)
    return "(" + ", ".join("NUMBER" if name == "INT" else name for name in names) + ")"


class Functions(Kept):
    """User-defined functions, also aggregate ones."""

    word = "FUNCTION"
    table = "FUNCTIONS"
    where = "kind <> 'PROCEDURE'"
    temporary = True
    overloaded = True

    def label(self, name: Name, arguments: str) -> str:
        """Return the name with the types of the arguments."""
        return f"{name[2]}{arguments}"

    def drop(self, session: Session, name: Name, arguments: str = "") -> bool:
        """Delete the function with these types of arguments; return False if it does not exist."""
        where = "schema_name = ? AND name = ? AND signature = ?"
        return self._delete(session, name[0], where, [*name[1:], arguments])

    def clone(self, session: Session, source: Schema, target: Schema) -> None:
        """Clone functions; their definitions name the new schema."""
        session.duck.execute(
            f"INSERT INTO {session.catalog(target[0], self.table)} (schema_name, name, signature, kind, definition) "
            "SELECT $3, name, signature, kind, json_merge_patch(definition, json_object('database', $2, 'schema', $3)) "
            f"FROM {self.relation(session, source[0])} WHERE schema_name = $1 AND session IS NULL",
            [source[1], *target],
        )

    def ddl(self, session: Session, name: Name, arguments: str) -> str:
        """Return the CREATE statement of the function with these types of arguments."""
        return find_one(session, self.word, name, arguments).ddl


class Procedures(Functions):
    """Stored procedures."""

    word = "PROCEDURE"
    where = "kind = 'PROCEDURE'"


def definitions(session: Session, name: tuple[str, ...], kind: str) -> list[Definition]:
    """List the definitions of all overloads of a name, ordered by signature.

    Args:
        session: the current session; it does not see temporary functions of other sessions.
        name: the name, in one to three parts.
        kind: PROCEDURE for procedures; any other value for functions of all kinds.
    """
    if len(name) < 3 and not (session.database and (len(name) == 2 or session.schema)):
        return []
    database, schema, last = session.resolve(name)
    if database not in session.storage.databases():
        return []
    rows = session.duck.execute(
        f"SELECT definition FROM {session.catalog(database, 'FUNCTIONS')} "
        "WHERE schema_name = ? AND name = ? AND (kind = 'PROCEDURE') = (? = 'PROCEDURE') "
        "AND coalesce(session = ?, true) ORDER BY signature",
        [schema, last, kind, str(session.session_id)],
    ).fetchall()
    return [Definition.from_json(text) for (text,) in rows]


def holds(session: Session, definition: Definition) -> bool:
    """Return whether a function or procedure of this name and these types of arguments exists."""
    name = (definition.database, definition.schema, definition.name)
    there = definitions(session, name, definition.kind)
    return any(other.signature == definition.signature for other in there)


def find_one(session: Session, kind: str, name: tuple[str, ...], arguments: str) -> Definition:
    """Return the function or procedure with a name and types of arguments.

    Raises:
        ProgrammingError: it does not exist.
    """
    for definition in definitions(session, name, kind):
        if definition.signature == arguments:
            return definition
    raise errors.missing(kind.capitalize(), name[-1])
