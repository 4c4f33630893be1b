"""Roles and grants: they are stored and shown, but not enforced."""

from __future__ import annotations

import logging

from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.stages import named_stage
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import text_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.listing import listing
from snowpipe_ml.local.statements.modifiers import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements.scope import Scope
from snowpipe_ml.local.syntax.reader import Reader

log = logging.getLogger("snowpipe_ml.local")
_not_enforced = False
_DONE = "Statement executed successfully."
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
    """``GRANT privileges ON kind name | ROLE name TO [ROLE] role`` and REVOKE ... FROM: stored, not enforced."""
    _say_not_enforced()
    session, reader = statement.session, statement.reader
    granting = reader.next().upper == "GRANT"
    if not granting:
        reader.accept("GRANT", "OPTION", "FOR")
    if reader.accept("ROLE"):
        (granted,) = reader.name()
        check_role(session, granted)
        privileges, kind, name = ["USAGE"], "ROLE", granted
    else:
        privileges = _privileges(reader)
        kind, name = _target(session, reader)
    reader.expect("TO" if granting else "FROM")
    if reader.accept("USER"):
        raise errors.UnsupportedError(f"{'GRANT' if granting else 'REVOKE'} of a user")
    if reader.accept("DATABASE", "ROLE") or reader.accept("SHARE"):
        raise errors.UnsupportedError("grants to database roles and shares")
    reader.accept("ROLE")
    (role,) = reader.name()
    check_role(session, role)
    option = reader.accept("WITH", "GRANT", "OPTION")
    if option:
        raise errors.UnsupportedError("GRANT ... WITH GRANT OPTION")
    for words in (
        ("COPY", "CURRENT", "GRANTS"),
        ("REVOKE", "CURRENT", "GRANTS"),
        ("CASCADE",),
        ("RESTRICT",),
    ):
        reader.accept(*words)
    reader.end()
    table = f"{ACCOUNT}.{CATALOG}.GRANTS"
    for privilege in privileges:
        row = [privilege, kind, name, role]
        session.duck.execute(
            f"DELETE FROM {table} WHERE privilege = ? AND granted_on = ? AND name = ? AND grantee = ?", row
        )
        if granting:
            session.duck.execute(
                f"INSERT INTO {table} (privilege, granted_on, name, grantee) VALUES (?, ?, ?, ?)", row
            )
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
    return privileges


def _target(session: Session, reader: Reader) -> tuple[str, str]:
    """Parse ``[ALL | FUTURE kinds IN] kind name``; return the kind and the qualified name of the object.

    Raises:
        ProgrammingError: the object does not exist.
    """
    words = []
    while reader.peek(1).kind in ("word", "quoted") and reader.peek(1).upper not in ("TO", "FROM"):
        words.append(reader.next().upper)
    if not words:
        raise reader.unexpected("expected the kind of an object")
    return " ".join(words), _qualified(session, reader, words)


def _qualified(session: Session, reader: Reader, words: list[str]) -> str:
    kind = words[-1]
    if words == ["ACCOUNT"]:
        return str(session.role)
    name = reader.name()
    signature = ""
    if reader.looking_at("("):
        start = reader.peek().start
        reader.value()
        signature = reader.text[start : reader.tokens[reader.index - 1].end]
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
    if kind in ("TABLE", "VIEW") and existing_kind(session, resolved) != kind:
        raise errors.missing(kind.capitalize(), ".".join(resolved))
    if kind == "STAGE":
        named_stage(session, name)
    return ".".join(resolved) + signature


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
        words = [reader.next().upper]
        while reader.peek(1).kind == "word":
            words.append(reader.next().upper)
        where, values = "granted_on = ? AND name = ?", [" ".join(words), _qualified(session, reader, words)]
    elif reader.accept("OF"):
        reader.expect("ROLE")
        (role,) = reader.name()
        check_role(session, role)
        where, values = "granted_on = 'ROLE' AND name = ?", [role]
    elif not reader.done:
        raise errors.UnsupportedError(f"SHOW GRANTS {reader.peek().upper}")
    reader.end()
    names = ("created_on", "privilege", "granted_on", "name", "grantee_name")
    found = session.duck.execute(
        f"SELECT created_on, privilege, granted_on, name, grantee FROM {ACCOUNT}.{CATALOG}.GRANTS "
        f"WHERE {where} ORDER BY name, privilege",
        values,
    ).fetchall()
    return listing(_GRANTS, [dict(zip(names, row, strict=True)) for row in found])
