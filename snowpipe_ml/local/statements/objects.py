"""DROP and SHOW for all kinds of schema objects, and GET_DDL."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.dynamic_tables import refuse_dynamic
from snowpipe_ml.local.catalog.kind import Listed
from snowpipe_ml.local.catalog.kinds import KINDS
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Row
from snowpipe_ml.local.python.definition import read_signature
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import already_dropped, dropped
from snowpipe_ml.local.statements.scope import Scope
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.registry import scalar_function


@command(*(f"DROP {word}" for word in KINDS))
def drop(statement: Statement) -> Result:
    """``DROP kind [IF EXISTS] name``; with the types of the arguments for a function or procedure."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("DROP")
    kind = next(kind for word, kind in KINDS.items() if reader.accept(*word.split()))
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), f"DROP {kind.word}")
    arguments = read_signature(reader) if kind.overloaded else ""
    if kind.word == "TABLE":
        refuse_dynamic(session, name)
    if kind.drop(session, name, arguments):
        grants.forget(session, kind.word, name, arguments)
        return dropped(name[2].rstrip(errors.TWIN))
    if lenient:
        return already_dropped(name[2].rstrip(errors.TWIN))
    raise errors.missing(kind.title, kind.label(name, arguments))


_SHOWN = {word: kind for word, kind in KINDS.items() if isinstance(kind, Listed) and kind.shown}


@command(*(f"SHOW {word}S" for word in _SHOWN))
def show(statement: Statement) -> Result:
    """``SHOW kinds``, for the kinds that define the columns of their SHOW."""
    session, reader = statement.session, statement.reader
    reader.expect("SHOW")
    word, kind = next((word, kind) for word, kind in _SHOWN.items() if reader.accept(*f"{word}S".split()))
    scope = Scope(session, reader, kind=f"{word}S")
    found: list[Row] = []
    for database in session.storage.databases():
        for schema, name, row in kind.rows(session, database):
            if scope.keep(database, schema, name):
                found.append(row)
    columns = [(column, type_) for column, type_, _ in kind.shown]
    if scope.root_only:  # https://docs.snowflake.com/en/sql-reference/sql/show-tasks
        place = [column for column, _ in columns].index("predecessors")
        found = [row for row in found if row[place] == "[]"]
    return rows(columns, found[: scope.limit])


@scalar_function("GET_DDL")
def _get_ddl(call: exp.Expr, session: Session) -> exp.Expr:
    """``GET_DDL('TABLE', 'name')`` in a query."""
    return exp.Literal.string(get_ddl(session, *(str(constant(session, a)) for a in call.expressions)))


def get_ddl(session: Session, word: str, text: str) -> str:
    """Return the DDL of an object: ``GET_DDL('TABLE', 'name')``, ``GET_DDL('FUNCTION', 'name(types)')``.

    Raises:
        ProgrammingError: the object does not exist.
        UnsupportedError: GET_DDL does not support the kind of object.
    """
    kind = KINDS.get(word.upper().replace("_", " "))
    if kind is None:
        raise errors.UnsupportedError(f"GET_DDL of a {word.upper()}")
    reader = Reader(text)
    name = session.resolve(reader.name())
    return kind.ddl(session, name, read_signature(reader) if kind.overloaded else "")
