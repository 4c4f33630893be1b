"""Answers of an account: each question is asked once, and a refused one is an answer too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from snowpipe_ml.doctor.needs import ACCOUNT, Need
from snowpipe_ml.plugins.connection import Connection, Row, execute
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, like_pattern, sql

Grant = tuple[str, str, tuple[str, ...]]
"""A privilege, the kind of object, and the parts of its name; no parts for the account."""
_OPTION = " WITH GRANT OPTION"


MANAGE_GRANTS = Need("MANAGE GRANTS", ACCOUNT, None)
"""With it, a role grants privileges on objects of others."""


class RefusedError(Exception):
    """The account refused a question: the role may not ask it, or the account does not have the feature."""


class Account:
    """The answers of an account to one session, which uses the role of the runs.

    Args:
        connection: an open connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers: dict[str, list[Row] | RefusedError] = {}

    def ask(self, question: Sql) -> list[Row]:
        """Run a statement that only reads, and return its rows.

        Raises:
            RefusedError: the account refused it.
        """
        from snowflake.connector.errors import Error

        if question.text not in self._answers:
            try:
                self._answers[question.text] = execute(self._connection, question)
            except Error as error:
                text = str(error.raw_msg or error).strip()
                self._answers[question.text] = RefusedError(" ".join(text.split()))
        answer = self._answers[question.text]
        if isinstance(answer, RefusedError):
            raise answer
        return answer

    def value(self, expression: str) -> object:
        """Return the value of a query of one value.

        Raises:
            RefusedError: the account refused it.
        """
        return self.ask(Sql(f"SELECT {expression}"))[0][0]

    def use_role(self, role: Identifier) -> None:
        """Use a role in this session.

        Raises:
            RefusedError: the role does not exist, or is not granted to the user.
        """
        self.ask(sql("USE ROLE {role}", role=role))

    def use_warehouse(self, warehouse: Identifier) -> None:
        """Use a warehouse in this session, for the questions to INFORMATION_SCHEMA.

        Raises:
            RefusedError: the warehouse does not exist, or the role may not use it.
        """
        self.ask(sql("USE WAREHOUSE {warehouse}", warehouse=warehouse))

    def shown(self, kinds: str, name: Identifier, schema: QualifiedName | None = None) -> Row | None:
        """Return the row of SHOW of an object, or None if the role sees no object of this name.

        Raises:
            RefusedError: the account refused the question, for example because the schema does not exist.
        """
        place = sql(" IN SCHEMA {schema}", schema=schema) if schema is not None else Sql("")
        rows = self.ask(
            sql("SHOW {kinds} LIKE {name}{place}", kinds=Sql(kinds), name=like_pattern(name), place=place)
        )
        return next((row for row in rows if row["name"] == name.name), None)

    def has_schema(self, name: QualifiedName) -> bool:
        """Return whether the role sees a schema; False if it does not see its database either."""
        database, schema = name.parts
        if self.shown("DATABASES", database) is None:
            return False
        rows = self.ask(
            sql("SHOW SCHEMAS LIKE {name} IN DATABASE {of}", name=like_pattern(schema), of=database)
        )
        return any(row["name"] == schema.name for row in rows)

    @cached_property
    def role(self) -> Identifier:
        """The current role.

        Raises:
            RefusedError: the session has none.
        """
        name = self.value("CURRENT_ROLE()")
        if not name:
            raise RefusedError("the session has no role")
        return Identifier(str(name).strip('"'))

    @cached_property
    def user(self) -> Identifier:
        """The user who is logged in."""
        return Identifier(str(self.value("CURRENT_USER()")).strip('"'))

    @cached_property
    def roles(self) -> frozenset[str]:
        """The names of the current role and of all roles that it inherits."""
        return frozenset(self._inherited)

    @cached_property
    def grants(self) -> frozenset[Grant]:
        """The privileges of the current role and of the roles that it inherits."""
        return frozenset(grant for rows in self._inherited.values() for grant in rows)

    @cached_property
    def _inherited(self) -> dict[str, list[Grant]]:
        found: dict[str, list[Grant]] = {}
        open_ = [self.role.name, "PUBLIC"]
        while open_:
            name = open_.pop()
            if name in found:
                continue
            try:
                found[name] = list(_grants(self.ask(Sql(f"SHOW GRANTS TO ROLE {Identifier(name).sql}"))))
            except RefusedError:
                if name == self.role.name:
                    raise
                found[name] = []  # a role that may not be looked into: what it has is not counted
            open_ += [parts[0] for _, kind, parts in found[name] if kind == "ROLE" and parts]
        return found

    def has(self, need: Need) -> bool:
        """Return whether the role has a privilege, also by owning the object."""
        parts = () if need.name is None else tuple(part.name for part in need.name.parts)
        kinds = (need.kind,) if need.kind != "TABLE" else ("TABLE", "VIEW")
        option = _OPTION if need.option else ""
        wanted = (need.privilege + option, "ALL" + option, "ALL PRIVILEGES" + option, "OWNERSHIP")
        if any((privilege, kind, parts) in self.grants for privilege in wanted for kind in kinds):
            return True
        return need.option and self.has(MANAGE_GRANTS) and self.has(replace(need, option=False))

    def owns(self, row: Mapping[str, object] | Row, kind: str, name: QualifiedName) -> bool:
        """Return whether the role owns an object, of which SHOW has returned a row."""
        owner = str(row["owner"] or "")
        parts = tuple(part.name for part in name.parts)
        return owner in self.roles or ("OWNERSHIP", kind, parts) in self.grants


def _grants(rows: list[Row]) -> Iterator[Grant]:
    """Read the rows of SHOW GRANTS TO ROLE."""
    for row in rows:
        kind = str(row["granted_on"]).replace("_", " ")
        name = str(row["name"])
        if kind == ACCOUNT:
            parts: tuple[str, ...] = ()
        else:  # "DB.SCHEMA.F(NUMBER):FLOAT" is not one name
            parts = (name,) if kind in ("FUNCTION", "PROCEDURE") else _parts(name)
        yield str(row["privilege"]), kind, parts
        if str(row["grant_option"]).lower() == "true":
            yield str(row["privilege"]) + _OPTION, kind, parts


def _parts(name: str) -> tuple[str, ...]:
    try:
        return tuple(part.name for part in QualifiedName.parse(name).parts)
    except ValueError:  # a name that is neither quoted nor a plain identifier
        return tuple(name.split("."))
