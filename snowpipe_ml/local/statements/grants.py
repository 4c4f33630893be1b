"""Roles and grants: they are stored, and enforced where the warehouse is served strictly."""

from __future__ import annotations

import logging

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.functions import find_one
from snowpipe_ml.local.catalog.kind import Kept
from snowpipe_ml.local.catalog.kinds import KINDS
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG, literal
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.python.definition import read_signature
from snowpipe_ml.local.statements import access, users
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.syntax.reader import Reader

log = logging.getLogger("snowpipe_ml.local")
_not_enforced = False
_DONE = "Statement executed successfully."
_ACCOUNT_NAME = "LOCAL"  # as CURRENT_ACCOUNT() returns it
SYSTEM_ROLES = ("ACCOUNTADMIN", "ORGADMIN", "PUBLIC", "SECURITYADMIN", "SYSADMIN", "USERADMIN")


def _say_not_enforced(session: Session) -> None:
    global _not_enforced
    if not _not_enforced and not session.storage.strict:
        _not_enforced = True
        log.warning(
            "the embedded warehouse stores and shows roles and grants, but enforces them only when served with --strict"
        )


def check_role(session: Session, name: str) -> None:
    """Check that a role exists.

    Raises:
        ProgrammingError: it does not.
    """
    found = session.duck.execute(f"SELECT 1 FROM {ACCOUNT}.{CATALOG}.ROLES WHERE name = ?", [name]).fetchone()
    if not found and name not in SYSTEM_ROLES:
        raise errors.missing("Role", name)


@command("CREATE ROLE")
def create_role(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] ROLE [IF NOT EXISTS] name [COMMENT = 'x']``."""
    session, reader = statement.session, statement.reader
    _say_not_enforced(session)
    modifiers = Modifiers(reader)
    reader.expect("ROLE")
    lenient = if_not_exists(reader)
    (name,) = reader.name()
    options = reader.options()
    reader.end()
    for key in options:
        if key != "COMMENT":
            raise errors.invalid_property(key, "ROLE")
    table = f"{ACCOUNT}.{CATALOG}.ROLES"
    with session.storage.lock:
        if session.duck.execute(f"SELECT 1 FROM {table} WHERE name = ?", [name]).fetchone():
            if lenient:
                return status(f"{name} already exists, statement succeeded.")
            if not (modifiers.replace or modifiers.alter):
                raise errors.exists(name)
            session.duck.execute(f"DELETE FROM {table} WHERE name = ?", [name])
        session.duck.execute(
            f"INSERT INTO {table} (name, comment) VALUES (?, ?)", [name, text_option(options, "COMMENT")]
        )
    return status(f"Role {name} successfully created.")


@command("DROP ROLE")
def drop_role(statement: Statement) -> Result:
    """``DROP ROLE [IF EXISTS] name``, with its grants."""
    session, reader = statement.session, statement.reader
    reader.expect("DROP", "ROLE")
    lenient = reader.accept("IF", "EXISTS")
    (name,) = reader.name()
    reader.end()
    gone = session.duck.execute(
        f"DELETE FROM {ACCOUNT}.{CATALOG}.ROLES WHERE name = ? RETURNING name", [name]
    ).fetchall()
    if not gone:
        if lenient:
            return already_dropped(name)
        raise errors.missing("Role", name)
    session.duck.execute(
        f"DELETE FROM {grants.GRANTS} WHERE (grantee = $1 AND granted_to = 'ROLE') "
        "OR (granted_on = 'ROLE' AND name = $1)",
        [name],
    )
    return dropped(name)


@command("GRANT", "REVOKE")
def grant(statement: Statement) -> Result:
    """``GRANT privileges ON kind name | [DATABASE] ROLE name TO [ROLE] role`` and REVOKE ... FROM.

    ``ON ALL kinds IN SCHEMA s`` is for each existing object; ``ON FUTURE kinds IN SCHEMA s`` for those created later.
    """
    session, reader = statement.session, statement.reader
    _say_not_enforced(session)
    session.commit_open()
    granting = reader.next().upper == "GRANT"
    only_option = not granting and reader.accept("GRANT", "OPTION", "FOR")
    if reader.accept("ROLE"):
        (granted,) = reader.name()
        check_role(session, granted)
        privileges, targets = ["USAGE"], [("ROLE", granted)]
    elif reader.accept("DATABASE", "ROLE"):
        privileges, targets = ["USAGE"], [("DATABASE ROLE", ".".join(reader.name()))]
    else:
        privileges = _privileges(reader)
        targets = _targets(session, reader)
    reader.expect("TO" if granting else "FROM")
    to = "USER" if targets[:1] and targets[0][0] == "ROLE" and reader.accept("USER") else "ROLE"
    if reader.looking_at("USER"):
        raise errors.UnsupportedError("privileges on objects for users, without a role")
    if reader.accept("DATABASE", "ROLE") or reader.accept("SHARE"):
        raise errors.UnsupportedError("grants to database roles and shares")
    reader.accept("ROLE")
    (role,) = reader.name()
    if to == "ROLE":
        check_role(session, role)
    elif not users.exists(session, role):
        raise errors.missing("User", role)
    option = reader.accept("WITH", "GRANT", "OPTION")
    for words in (
        ("COPY", "CURRENT", "GRANTS"),
        ("REVOKE", "CURRENT", "GRANTS"),
        ("CASCADE",),
        ("RESTRICT",),
    ):
        reader.accept(*words)
    reader.end()
    for kind, name in targets:
        for privilege in privileges:
            access.check_grant(session, privilege, kind.removeprefix(grants.FUTURE), name)
            if granting and privilege == "OWNERSHIP":
                grants.own(session, kind, name, role)
            elif granting or only_option:
                grants.add(session, privilege, kind, name, role, option=option, to=to)
            else:
                grants.remove(session, privilege, kind, name, role, to=to)
    return status(_DONE)


def _privileges(reader: Reader) -> list[str]:
    privileges: list[str] = []
    words: list[str] = []
    while not reader.accept("ON"):
        if reader.accept(","):
            privileges.append(" ".join(words))
            words = []
        else:
            words.append(reader.next().upper)
    privileges.append(" ".join(words))
    # SHOW GRANTS has IMPORTED PRIVILEGES on a database as USAGE.
    return ["USAGE" if privilege == "IMPORTED PRIVILEGES" else privilege for privilege in privileges]


def _targets(session: Session, reader: Reader) -> list[tuple[str, str]]:
    """Parse ``[ALL | FUTURE kinds IN] kind name``; return the kind and the qualified name of each object.

    Raises:
        ProgrammingError: an object does not exist.
    """
    future = reader.accept("FUTURE")
    if not future and not reader.accept("ALL"):
        kind = read_kind(reader)
        return [(kind, read_object(session, reader, kind))]
    word = next((word for word in (*KINDS, "SCHEMA") if reader.accept(*f"{word}S".split())), None)
    if word is None:
        raise errors.UnsupportedError(f"{'FUTURE' if future else 'ALL'} {reader.peek().upper} in a GRANT")
    reader.expect("IN")
    kind = "SCHEMA" if reader.accept("SCHEMA") else "DATABASE"
    if kind == "DATABASE":
        reader.expect("DATABASE")
    place = read_object(session, reader, kind)
    if future:
        return [(grants.FUTURE + word, place)]
    return [(word, name) for name in _all(session, word, *place.split(".", 1))]


def _all(session: Session, word: str, database: str, schema: str | None = None) -> list[str]:
    """List the qualified names of the objects of a kind in a schema or database."""
    kind = KINDS.get(word)
    if kind is None:
        schemas = f"SELECT schema_name FROM duckdb_schemas() WHERE database_name = {literal(database)}"
        found = session.duck.execute(f"{schemas} AND NOT internal ORDER BY 1").fetchall()
        return [f"{database}.{name}" for (name,) in found if name != CATALOG]
    if isinstance(kind, Kept):
        arguments = "signature" if kind.overloaded else "''"
        relation = f"SELECT schema_name, name || {arguments} FROM {kind.relation(session, database)}"
    else:
        lower = word.lower()
        relation = (
            f"SELECT schema_name, {lower}_name FROM duckdb_{lower}s() "
            f"WHERE database_name = {literal(database)} AND NOT internal AND schema_name <> {literal(CATALOG)}"
        )
    found = session.duck.execute(f"SELECT * FROM ({relation}) ORDER BY ALL").fetchall()
    return [f"{database}.{of}.{name}" for of, name in found if schema in (None, of)]


def read_kind(reader: Reader) -> str:
    """Parse the kind of an object, such as FILE FORMAT."""
    for word in (*KINDS, "FILE FORMAT"):
        if reader.accept(*word.split()):
            return word
    return reader.next().upper


def read_object(session: Session, reader: Reader, kind: str) -> str:
    """Parse the name of an object of a kind, with the types of its arguments; return it qualified.

    Raises:
        ProgrammingError: the object does not exist.
    """
    if kind == "ACCOUNT":
        return _ACCOUNT_NAME
    name = reader.name()
    if kind in ("WAREHOUSE", "ROLE", "INTEGRATION", "USER"):
        if (
            kind == "WAREHOUSE"
            and not session.duck.execute(
                f"SELECT 1 FROM {ACCOUNT}.{CATALOG}.WAREHOUSES WHERE name = ?", list(name)
            ).fetchone()
        ):
            raise errors.missing("Warehouse", name[0])
        if kind == "ROLE":
            check_role(session, name[0])
        return ".".join(name)
    if kind == "DATABASE":
        if name[0] not in session.storage.databases():
            raise errors.missing("Database", name[0])
        return name[0]
    if kind == "SCHEMA":
        whole = name if len(name) == 2 else (str(session.database), name[0])
        found = session.duck.execute(
            "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?", list(whole)
        ).fetchone()
        if not found:
            raise errors.missing("Schema", ".".join(whole))
        return ".".join(whole)
    resolved = session.resolve(name, "GRANT")
    if kind in ("FUNCTION", "PROCEDURE"):
        definition = find_one(session, kind, resolved, read_signature(reader))
        return definition.qualified + definition.signature
    if kind in ("TABLE", "VIEW"):
        there = existing_kind(session, resolved) == kind
    elif kind in KINDS:
        there = KINDS[kind].exists(session, resolved)
    else:
        raise errors.UnsupportedError(f"privileges on a {kind}")
    if not there:
        raise errors.missing(kind.capitalize(), ".".join(resolved))
    return ".".join(resolved)
