"""The privileges that a statement needs, by its kind, where the warehouse is served strictly.

https://docs.snowflake.com/en/user-guide/security-access-control-privileges
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from snowpipe_ml.local.catalog.kinds import KINDS
from snowpipe_ml.local.core import connector
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.statements.access_tables import Required, on_existing, query, select, write
from snowpipe_ml.local.syntax.reader import Reader, unquote

ACCOUNT = "ACCOUNT"


# What CREATE needs on the account; objects of the other kinds belong to a schema.
_ON_ACCOUNT: Mapping[str, tuple[str, ...]] = {
    "DATABASE": ("CREATE DATABASE",),
    "INTEGRATION": ("CREATE INTEGRATION",),
    "ROLE": ("CREATE ROLE",),
    "USER": ("CREATE USER",),
    "WAREHOUSE": ("CREATE WAREHOUSE",),
}
_OUTSIDE = (*_ON_ACCOUNT, "SCHEMA")
# What a statement needs on the place on a stage that it names.
_ON_STAGES: Mapping[str, str] = {"PUT": "WRITE", "REMOVE": "WRITE", "RM": "WRITE"}
_READS_STAGES = {"LIST", "LS", "GET", "COPY", "CREATE", "SELECT", "WITH", "INSERT", "MERGE"}
_QUERIES = {"SELECT", "WITH", "VALUES", "("}
_MODIFIERS = {
    "OR",
    "REPLACE",
    "ALTER",
    "TRANSIENT",
    "VOLATILE",
    "LOCAL",
    "GLOBAL",
    "SECURE",
    "AGGREGATE",
    "EXTERNAL",
}
_TEMPORARY = {"TEMPORARY", "TEMP", "SCOPED"}
_PYPI = "PYPI_SHARED_REPOSITORY"


def required(session: Session, text: str) -> list[Required]:
    """Return what a statement needs; nothing for one that cannot be read, which its handler refuses.

    Args:
        session: the session that runs it.
        text: the statement.
    """
    reader = Reader(text)
    first = reader.peek().upper if not reader.done else ""
    try:
        found = [*_STATEMENTS.get(first, _nothing)(session, reader), *_staged(session, Reader(text), first)]
    except connector.Error:  # of syntax, or a name without a database: the statement will say so
        return []
    return list(dict.fromkeys(found))


def created(session: Session, text: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the kind and the name of the object that a CREATE statement makes; None for another statement.

    A temporary table has no owner among the roles: it belongs to its session.
    """
    reader = Reader(text)
    if reader.done or reader.peek().upper != "CREATE":
        return None
    try:
        kind, name, temporary = _head(session, reader)
    except connector.Error:
        return None
    return None if temporary and kind == "TABLE" else (kind, name)


def _nothing(session: Session, reader: Reader) -> Iterator[Required]:
    yield from ()


def _kind(reader: Reader) -> str:
    for word in (*KINDS, "FILE FORMAT", *_OUTSIDE):
        if reader.accept(*word.split()):
            return word
    return reader.next().upper


def _named(session: Session, reader: Reader, kind: str) -> tuple[str, ...]:
    """Read the name of an object of a kind, and complete it."""
    name = reader.name()
    if kind == "SCHEMA":
        return name if len(name) == 2 else (session.database or "", *name)
    return name if kind in _OUTSIDE else session.resolve(name)


def _head(session: Session, reader: Reader) -> tuple[str, tuple[str, ...], bool]:
    """Read ``CREATE [modifiers] kind [IF NOT EXISTS] name``; return the kind, the name and whether it is temporary."""
    reader.next()
    temporary = False
    while reader.peek().upper in _MODIFIERS | _TEMPORARY:
        temporary |= reader.next().upper in _TEMPORARY
    kind = _kind(reader)
    reader.accept("IF", "NOT", "EXISTS")
    return kind, _named(session, reader, kind), temporary


def _create(session: Session, reader: Reader) -> Iterator[Required]:
    kind, name, temporary = _head(session, reader)
    words = {token.upper for token in reader.tokens}
    if kind == "SCHEMA":
        yield Required(("CREATE SCHEMA",), "DATABASE", name[:1])
        return
    if kind in _ON_ACCOUNT:
        yield Required(_ON_ACCOUNT[kind], ACCOUNT)
        if kind == "DATABASE" and "SHARE" in words:
            yield Required(("IMPORT SHARE",), ACCOUNT)
        return
    if kind not in (*KINDS, "FILE FORMAT"):
        return
    # A temporary table needs no privilege on its schema but to use it.
    if temporary and kind == "TABLE":
        yield Required((), "SCHEMA", name[:2])
    else:
        yield Required((f"CREATE {kind}",), "SCHEMA", name[:2])
        if "REPLACE" in {token.upper for token in reader.tokens[:4]}:
            yield from on_existing(session, ("OWNERSHIP",), kind, name)
    yield from _tags(session, reader)
    if kind == "TASK":
        yield from _runs_task(session, reader)
    if any(token.upper.strip("'").upper().endswith(_PYPI) for token in reader.tokens):
        yield Required(("USAGE",), "DATABASE ROLE", ("SNOWFLAKE", "PYPI_REPOSITORY_USER"))
    if kind in ("TABLE", "VIEW"):
        for word in ("CLONE", "LIKE"):
            if _skip_to(reader, word):
                yield from on_existing(session, ("SELECT",), "TABLE", session.resolve(reader.name()))
                return
        yield from query(session, _after_as(reader))
    elif kind == "DYNAMIC TABLE":
        if _skip_to(reader, "WAREHOUSE") and reader.accept("="):
            yield Required(("USAGE",), "WAREHOUSE", reader.name())
        yield from query(session, _after_as(reader))
    elif kind == "STREAM" and _skip_to(reader, "ON"):
        source = _kind(reader)
        privilege = "READ" if source == "STAGE" else "SELECT"
        yield from on_existing(session, (privilege,), source, session.resolve(reader.name()))


def _runs_task(session: Session, reader: Reader) -> Iterator[Required]:
    words = [token.upper for token in reader.tokens]
    if "WAREHOUSE" not in words:
        yield Required(("EXECUTE MANAGED TASK",), ACCOUNT)
    elif _skip_to(reader, "WAREHOUSE") and reader.accept("="):
        yield Required(("USAGE",), "WAREHOUSE", reader.name())


def _tags(session: Session, reader: Reader) -> Iterator[Required]:
    """Yield what WITH TAG (name = ...) and SET TAG name = ... need."""
    words = [token.upper for token in reader.tokens]
    for place, word in enumerate(words[:-1]):
        if word == "TAG" and place > 0 and words[place - 1] in ("WITH", "SET"):
            start = place + 2 if words[place + 1] == "(" else place + 1
            inner = Reader(reader.text[reader.tokens[start].start :])
            tag = session.resolve(inner.name())
            if KINDS["TAG"].exists(session, tag):
                yield Required(("APPLY",), "TAG", tag)


def _skip_to(reader: Reader, *words: str) -> bool:
    """Go behind the next words outside of parentheses; return False, at the old place, if there are none."""
    start, depth = reader.index, 0
    while not reader.done:
        if depth == 0 and reader.accept(*words):
            return True
        depth += {"(": 1, ")": -1}.get(reader.next().text, 0)
    reader.index = start
    return False


def _after_as(reader: Reader) -> str:
    """Return the query of CREATE TABLE ... AS and CREATE VIEW ... AS; nothing if there is none."""
    while _skip_to(reader, "AS"):
        if reader.peek().upper in _QUERIES:
            return reader.text[reader.peek().start :]
    return ""


def _truncate(session: Session, reader: Reader) -> Iterator[Required]:
    reader.next()
    reader.accept("TABLE")
    reader.accept("IF", "EXISTS")
    yield from on_existing(session, ("TRUNCATE", "DELETE"), "TABLE", session.resolve(reader.name()))


def _copy(session: Session, reader: Reader) -> Iterator[Required]:
    reader.expect("COPY", "INTO")
    if reader.peek().kind in ("word", "quoted"):
        yield from on_existing(session, ("INSERT",), "TABLE", session.resolve(reader.name()))
    elif _skip_to(reader, "FROM"):
        if reader.peek().kind in ("word", "quoted"):
            yield from on_existing(session, ("SELECT",), "TABLE", session.resolve(reader.name()))
        elif reader.accept("("):
            yield from query(
                session, reader.text[reader.peek().start :].rpartition(")")[0].partition(") FILE_FORMAT")[0]
            )
    formats = Reader(reader.text)
    for place, token in enumerate(formats.tokens):
        if token.upper == "FORMAT_NAME":
            formats.index = place + 2
            yield from on_existing(session, ("USAGE",), "FILE FORMAT", session.resolve(formats.name()))


def _alter(session: Session, reader: Reader) -> Iterator[Required]:
    reader.next()
    kind = _kind(reader)
    if kind in ("SESSION", "ACCOUNT") or reader.done:
        if kind == "ACCOUNT":
            yield Required(("OWNERSHIP",), ACCOUNT)
        return
    reader.accept("IF", "EXISTS")
    name = _named(session, reader, kind)
    words = {token.upper for token in reader.tokens}
    privileges: tuple[str, ...] = ("OWNERSHIP",)
    if kind == "WAREHOUSE":
        privileges = ("OPERATE",) if words & {"SUSPEND", "RESUME", "ABORT"} else ("MODIFY",)
    elif kind in ("TASK", "DYNAMIC TABLE") and words & {"SUSPEND", "RESUME", "REFRESH"}:
        privileges = ("OPERATE",)
    yield from on_existing(session, privileges, kind, name)
    if kind == "TASK" and "RESUME" in words:
        yield Required(("EXECUTE TASK",), ACCOUNT)
    yield from _tags(session, reader)


def _drop(session: Session, reader: Reader) -> Iterator[Required]:
    reader.next()
    kind = _kind(reader)
    reader.accept("IF", "EXISTS")
    yield from on_existing(session, ("OWNERSHIP",), kind, _named(session, reader, kind))


def _comment(session: Session, reader: Reader) -> Iterator[Required]:
    reader.next()
    reader.accept("IF", "EXISTS")
    reader.expect("ON")
    column = reader.accept("COLUMN")
    kind = "TABLE" if column else _kind(reader)
    name = reader.name()[:-1] if column else reader.name()
    whole = name if kind in _OUTSIDE else session.resolve(name)
    yield from on_existing(session, ("OWNERSHIP",), kind, whole)


def _describe(session: Session, reader: Reader) -> Iterator[Required]:
    reader.next()
    kind = _kind(reader)
    if kind in KINDS:
        yield from on_existing(session, (), kind, _named(session, reader, kind))


def _use(session: Session, reader: Reader) -> Iterator[Required]:
    reader.next()
    kind = next(
        (word for word in ("DATABASE", "SCHEMA", "WAREHOUSE", "ROLE", "SECONDARY") if reader.accept(word)), ""
    )
    if kind in ("ROLE", "SECONDARY"):
        return
    name = reader.name()
    if kind == "WAREHOUSE":
        yield Required((), kind, name)
        return
    if kind == "SCHEMA" or len(name) == 2:
        yield Required((), "SCHEMA", name if len(name) == 2 else (session.database or "", *name))
    else:
        yield Required((), "DATABASE", name)


def _call(session: Session, reader: Reader) -> Iterator[Required]:
    reader.next()
    name = session.resolve(reader.name())
    if KINDS["PROCEDURE"].exists(session, name):
        yield Required(("USAGE",), "PROCEDURE", name)


def _execute(session: Session, reader: Reader) -> Iterator[Required]:
    reader.next()
    if reader.accept("TASK"):
        yield from on_existing(session, ("OPERATE",), "TASK", session.resolve(reader.name()))


def _staged(session: Session, reader: Reader, first: str) -> Iterator[Required]:
    """Yield READ or WRITE on the stages that a statement names."""
    if first not in _ON_STAGES and first not in _READS_STAGES:
        return
    unloads = first == "COPY" and reader.peek(2).kind not in ("word", "quoted")
    for place, token in enumerate(reader.tokens):
        text = unquote(token.text) if token.kind == "string" else token.text
        if token.kind not in ("string", "stage") or not text.startswith("@") or text[1:2] in ("", "~", "%"):
            continue
        written = unloads and place == 2
        privilege = "WRITE" if written else _ON_STAGES.get(first, "READ")
        stage = text[1:] if text[1:2] == '"' else text[1:].split("/", 1)[0]
        name = session.resolve(Reader(stage).name())
        if name[0] in session.storage.databases() and KINDS["STAGE"].exists(session, name):
            yield Required((privilege, "USAGE"), "STAGE", name)


_STATEMENTS: Mapping[str, Callable[[Session, Reader], Iterator[Required]]] = {
    "ALTER": _alter,
    "CALL": _call,
    "COMMENT": _comment,
    "COPY": _copy,
    "CREATE": _create,
    "DELETE": write,
    "DESC": _describe,
    "DESCRIBE": _describe,
    "DROP": _drop,
    "EXECUTE": _execute,
    "INSERT": write,
    "MERGE": write,
    "SELECT": select,
    "TRUNCATE": _truncate,
    "UNDROP": _drop,
    "UPDATE": write,
    "USE": _use,
    "VALUES": select,
    "WITH": select,
}
"""The needs of statements by their first word. SHOW needs nothing: it shows what the role may see."""
