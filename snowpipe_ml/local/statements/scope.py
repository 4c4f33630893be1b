"""The scope and pattern of SHOW statements: LIKE, IN and LIMIT."""

from __future__ import annotations

import re

from snowpipe_ml.local.core import connector, errors
from snowpipe_ml.local.core.catalog_names import check_schema
from snowpipe_ml.local.core.names import CATALOG
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.statements.base import Statement
from snowpipe_ml.local.syntax.reader import Reader


def like(text: str, pattern: str) -> bool:
    """Return whether a name matches a LIKE pattern, ignoring case."""
    regex, escaped = "", False
    for character in pattern:
        if escaped or character not in "%_\\":
            regex += re.escape(character)
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            regex += ".*" if character == "%" else "."
    return re.fullmatch(regex, text, re.I | re.S) is not None


def _ends(reader: Reader) -> bool:
    """Return whether the name of the scope is left to the session."""
    first = reader.peek().upper
    return reader.done or first in ("LIKE", "LIMIT", "STARTS") or reader.looking_at("ROOT", "ONLY")


# The listings whose error does not name the missing schema or database, and those that can be of one table.
_UNNAMED = frozenset({"TABLES", "VIEWS", "OBJECTS", "STAGES", "FILE FORMATS", "DYNAMIC TABLES"})
_OF_TABLES = frozenset({"COLUMNS", "PRIMARY KEYS", "UNIQUE KEYS", "IMPORTED KEYS", "EXPORTED KEYS"})


def _check(session: Session, kind: str, database: str, schema: str | None = None) -> None:
    """Check that the scope exists.

    Raises:
        ProgrammingError: there is no such database or schema.
    """
    try:
        check_schema(session, database, schema)
    except connector.ProgrammingError as missing:
        if kind not in _UNNAMED:
            raise
        raise errors.absent() from missing


class Scope:
    """``[LIKE 'x'] [IN [ACCOUNT|DATABASE|SCHEMA] name] [STARTS WITH 'x'] [LIMIT n [FROM 'x']]`` of a SHOW."""

    def __init__(self, session: Session, reader: Reader, *, kind: str = "", terse: bool = False) -> None:
        self.terse = terse
        self.start = self.after = ""
        self.pattern = "%"
        self.database, self.schema = session.database, session.schema
        self.limit: int | None = None
        if reader.accept("HISTORY"):
            raise errors.UnsupportedError("SHOW ... HISTORY")
        if reader.accept("LIKE"):
            self.pattern = reader.string()
        if reader.accept("IN"):
            if reader.accept("ACCOUNT"):
                self.database = self.schema = None
            elif reader.accept("DATABASE"):
                self.schema = None
                if not _ends(reader):
                    (self.database,) = reader.name()
                    _check(session, kind, self.database)
            elif not reader.accept("SCHEMA") or not _ends(reader):
                of_table = reader.accept("TABLE") or reader.accept("VIEW")
                self.name = reader.name()
                self.database = self.name[0] if len(self.name) > 1 else session.database
                self.schema = self.name[-1]
                if not of_table and kind not in _OF_TABLES:
                    if self.database is None:
                        raise errors.no_database("SHOW")
                    _check(session, kind, self.database, self.schema)
        if reader.accept("LIKE"):
            self.pattern = reader.string()
        if reader.accept("STARTS", "WITH"):
            self.start = reader.string()
        self.root_only = kind == "TASKS" and reader.accept("ROOT", "ONLY")
        if reader.accept("LIMIT"):
            self.limit = reader.integer()
            if reader.accept("FROM"):
                self.after = reader.string()
        reader.end()

    @classmethod
    def of(cls, statement: Statement, *words: str) -> Scope:
        """Parse ``SHOW [TERSE] words`` and the scope that follows."""
        statement.reader.expect("SHOW")
        terse = statement.reader.accept("TERSE")
        statement.reader.expect(*words)
        return cls(statement.session, statement.reader, kind=" ".join(words), terse=terse)

    def keep(self, database: str, schema: str, name: str) -> bool:
        """Return whether an object is in the scope."""
        return (
            self.database in (None, database)
            and self.schema in (None, schema)
            and schema not in (CATALOG, "main")
            and self.named(name)
        )

    def named(self, name: str) -> bool:
        """Return whether a name is selected by LIKE, STARTS WITH and LIMIT ... FROM."""
        return like(name, self.pattern) and name.startswith(self.start) and name > self.after
