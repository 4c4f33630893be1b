"""Roles and grants: they are stored and shown, but not enforced."""

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
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.listing import listing
from snowpipe_ml.local.statements.modifiers import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements.scope import Scope
from snowpipe_ml.local.syntax.reader import Reader

log = logging.getLogger("snowpipe_ml.local")
_not_enforced = False
_DONE = "Statement executed successfully."
_ACCOUNT_NAME = "LOCAL"  # as CURRENT_ACCOUNT() returns it
SYSTEM_ROLES = ("ACCOUNTADMIN", "ORGADMIN", "PUBLIC", "SECURITYADMIN", "SYSADMIN", "USERADMIN")
_ROLES = {
    "created_on": None,
    "name": None,
    "is_default": "N",
    "is_current": "N",
    "is_inherited": "N",
    "assigned_to_users": 0,
    "granted_to_roles": 0,
    "granted_roles": 0,
    "owner": "USERADMIN",
    "comment": "",
}
_GRANTS = {
    "created_on": None,
    "privilege": None,
    "granted_on": None,
    "name": None,
    "granted_to": "ROLE",
    "grantee_name": None,
    "grant_option": "false",
    "granted_by": "SYSADMIN",
}
_FUTURE_GRANTS = {
    "created_on": None,
    "privilege": None,
    "grant_on": None,
    "name": None,
    "grant_to": "ROLE",
    "grantee_name": None,
    "grant_option": "false",
}


def _say_not_enforced() -> None:
    global _not_enforced
    if not _not_enforced:
        _not_enforced = True
        log.warning("the embedded warehouse stores and shows roles and grants, but does not enforce them")


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
    """``CREATE [OR REPLACE] ROLE [IF NOT EXISTS] name [COMMENT = 'x']``: stored, not enforced."""
    _say_not_enforced()
    session, reader = statement.session, statement.reader
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
        f"DELETE FROM {ACCOUNT}.{CATALOG}.GRANTS WHERE grantee = $1 OR (granted_on = 'ROLE' AND name = $1)",
        [name],
    )
    return dropped(name)


@command("GRANT", "REVOKE")
def grant(statement: Statement) -> Result:
    """``GRANT privileges ON kind name | [DATABASE] ROLE name TO [ROLE] role`` and REVOKE ... FROM: stored, not enforced.

    ``ON ALL kinds IN SCHEMA s`` is for each object that is there; ``ON FUTURE kinds IN SCHEMA s`` for those to come.
    """
    _say_not_enforced()
    session, reader = statement.session, statement.reader
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
    if reader.accept("USER"):
        raise errors.UnsupportedError(f"{'GRANT' if granting else 'REVOKE'} of a user")
    if reader.accept("DATABASE", "ROLE") or reader.accept("SHARE"):
        raise errors.UnsupportedError("grants to database roles and shares")
    reader.accept("ROLE")
    (role,) = reader.name()
    check_role(session, role)
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
            if granting or only_option:
                grants.add(session, privilege, kind, name, role, option=option)
            else:
                grants.remove(session, privilege, kind, name, role)
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
        kind = _kind(reader)
        return [(kind, _qualified(session, reader, kind))]
    word = next((word for word in (*KINDS, "SCHEMA") if reader.accept(*f"{word}S".split())), None)
    if word is None:
        raise errors.UnsupportedError(f"{'FUTURE' if future else 'ALL'} {reader.peek().upper} in a GRANT")
    reader.expect("IN")
    kind = "SCHEMA" if reader.accept("SCHEMA") else "DATABASE"
    if kind == "DATABASE":
        reader.expect("DATABASE")
    place = _qualified(session, reader, kind)
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


def _kind(reader: Reader) -> str:
    """Parse the kind of an object, such as FILE FORMAT."""
    for word in (*KINDS, "FILE FORMAT"):
        if reader.accept(*word.split()):
            return word
    return reader.next().upper


def _qualified(session: Session, reader: Reader, kind: str) -> str:
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


@command("SHOW ROLES")
def show_roles(statement: Statement) -> Result:
    """``SHOW ROLES [LIKE 'x']``: the roles that were created."""
    session = statement.session
    scope = Scope.of(statement, "ROLES")
    grants = session.duck.execute(
        f"SELECT name, grantee FROM {ACCOUNT}.{CATALOG}.GRANTS WHERE granted_on = 'ROLE'"
    ).fetchall()
    found = [
        {
            "created_on": created,
            "name": name,
            "is_current": "Y" if name == session.role else "N",
            "granted_to_roles": sum(granted == name for granted, _ in grants),
            "granted_roles": sum(role == name for _, role in grants),
            "comment": comment or "",
        }
        for created, name, comment in session.duck.execute(
            f"SELECT created_on, name, comment FROM {ACCOUNT}.{CATALOG}.ROLES ORDER BY name"
        ).fetchall()
        if scope.named(name)
    ]
    return listing(_ROLES, found[: scope.limit])


@command("SHOW GRANTS")
def show_grants(statement: Statement) -> Result:
    """``SHOW GRANTS [TO ROLE name | ON kind name | OF ROLE name]``."""
    session, reader = statement.session, statement.reader
    reader.expect("SHOW", "GRANTS")
    where, values = "true", []
    if reader.accept("TO"):
        reader.expect("ROLE")
        (role,) = reader.name()
        check_role(session, role)
        where, values = "grantee = ?", [role]
    elif reader.accept("ON"):
        kind = _kind(reader)
        where, values = "granted_on = ? AND name = ?", [kind, _qualified(session, reader, kind)]
    elif reader.accept("OF"):
        reader.expect("ROLE")
        (role,) = reader.name()
        check_role(session, role)
        where, values = "granted_on = 'ROLE' AND name = ?", [role]
    elif not reader.done:
        raise errors.UnsupportedError(f"SHOW GRANTS {reader.peek().upper}")
    reader.end()
    names = ("created_on", "privilege", "granted_on", "name", "grantee_name", "grant_option")
    found = session.duck.execute(
        "SELECT created_on, privilege, replace(granted_on, ' ', '_'), name, grantee, "
        f"coalesce(grant_option, false)::VARCHAR FROM {grants.GRANTS} "
        f"WHERE {where} AND NOT starts_with(granted_on, ?) ORDER BY name, privilege",
        [*values, grants.FUTURE],
    ).fetchall()
    return listing(_GRANTS, [dict(zip(names, row, strict=True)) for row in found])


@command("SHOW FUTURE GRANTS")
def show_future_grants(statement: Statement) -> Result:
    """``SHOW FUTURE GRANTS IN SCHEMA|DATABASE name | TO ROLE name``."""
    session, reader = statement.session, statement.reader
    reader.expect("SHOW", "FUTURE", "GRANTS")
    if reader.accept("TO", "ROLE"):
        (value,) = reader.name()
        check_role(session, value)
        where = "grantee = ?"
    else:
        reader.expect("IN")
        kind = "SCHEMA" if reader.accept("SCHEMA") else "DATABASE"
        if kind == "DATABASE":
            reader.expect("DATABASE")
        value = _qualified(session, reader, kind)
        where = "name = ?"
    reader.end()
    found = session.duck.execute(
        f"SELECT created_on, privilege, granted_on, name, grantee FROM {grants.GRANTS} "
        f"WHERE {where} AND starts_with(granted_on, ?) ORDER BY name, granted_on, privilege",
        [value, grants.FUTURE],
    ).fetchall()
    shown = []
    for created, privilege, granted_on, name, grantee in found:
        word = granted_on.removeprefix(grants.FUTURE).replace(" ", "_")
        row = {"created_on": created, "privilege": privilege, "grant_on": word, "name": f"{name}.<{word}>"}
        shown.append(row | {"grantee_name": grantee})
    return listing(_FUTURE_GRANTS, shown)
