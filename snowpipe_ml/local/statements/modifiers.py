"""Clauses that CREATE and DROP statements share: OR REPLACE, TEMPORARY, IF EXISTS; and their results."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.kind import Kind
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.versions import Version, version_at
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.translate.passes import new_compiler, replace_variables
from snowpipe_ml.local.translate.time_travel import moment


class Modifiers:
    """The modifiers between CREATE and the kind of object, such as OR REPLACE."""

    def __init__(self, reader: Reader) -> None:
        self.replace = self.temporary = self.alter = self.aggregate = self.transient = self.secure = False
        reader.expect("CREATE")
        while True:
            if reader.accept("OR", "REPLACE"):
                self.replace = True
            elif reader.accept("OR", "ALTER"):
                self.alter = True
            elif reader.accept("TEMPORARY") or reader.accept("TEMP"):
                self.temporary = True
            elif reader.accept("AGGREGATE"):
                self.aggregate = True
            elif reader.accept("TRANSIENT"):
                self.transient = True
            elif reader.accept("SECURE"):
                self.secure = True
            elif not any(reader.accept(word) for word in ("SCOPED", "LOCAL", "GLOBAL", "VOLATILE")):
                return


def if_not_exists(reader: Reader) -> bool:
    """Parse an optional ``IF NOT EXISTS``; return whether it was present."""
    return reader.accept("IF", "NOT", "EXISTS")


def refuse_time_travel(reader: Reader) -> None:
    """Refuse ``CLONE source AT (...)`` and ``BEFORE (...)`` of a schema or database, which are next.

    Raises:
        UnsupportedError: the clone would have the content of an earlier time.
    """
    if reader.looking_at("AT", "(") or reader.looking_at("BEFORE", "("):
        raise errors.UnsupportedError("CLONE ... AT or BEFORE (time travel) of a schema or database")


def clone_version(session: Session, reader: Reader, source: Name) -> Version | None:
    """Read ``AT (...)`` or ``BEFORE (...)`` after the source of a clone; return None if there is neither.

    Raises:
        ProgrammingError: no version of that time is kept.
    """
    if not (reader.looking_at("AT", "(") or reader.looking_at("BEFORE", "(")):
        return None
    start = reader.peek().start
    reader.next()
    reader.expect("(")
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(reader.next().text, 0)
    text = reader.text[start : reader.peek(-1).end]
    found = parse(f"SELECT * FROM t {text}").find(exp.HistoricalData)
    if found is None:
        raise errors.syntax(f"{text} is not a time")
    if existing_kind(session, source) != "TABLE":
        raise errors.missing("Table", ".".join(source))
    compiler = new_compiler(session)
    replace_variables(found, session)
    return version_at(session, source, moment(compiler, source, found))


def claim(
    session: Session,
    kind: Kind,
    name: Name,
    *,
    replace: bool,
    lenient: bool,
    temporary: bool = False,
    copy_grants: bool = False,
) -> Result | None:
    """Free a name for a new object of a kind, which gets the privileges that are due to it.

    Returns:
        None if the object can be created; with IF NOT EXISTS the result of the statement if it exists.

    Raises:
        ProgrammingError: the object exists and is not to be replaced.
    """
    session.commit_open()
    there = kind.exists(session, name)
    if there:
        if lenient:
            return status(f"{name[2]} already exists, statement succeeded.")
        if not replace:
            raise errors.exists(name[2])
        kind.drop(session, name)
    if not temporary:
        grants.created(session, kind.word, name, replaced=there, copy_grants=copy_grants)
    return None


def dropped(name: str) -> Result:
    """Return the result of DROP."""
    return status(f"{name} successfully dropped.")


def already_dropped(name: str) -> Result:
    """Return the result of DROP IF EXISTS for an object that does not exist."""
    return status(f"Drop statement executed successfully ({name} already dropped).")
