"""SHOW of roles and grants."""

from __future__ import annotations

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.statements import users
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.grants import SYSTEM_ROLES, check_role, read_kind, read_object
from snowpipe_ml.local.statements.listing import listing
from snowpipe_ml.local.statements.scope import Scope
from snowpipe_ml.local.syntax.reader import Reader

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
_ROLES_OF_USER = {
    "created_on": None,
    "role": None,
    "granted_to": "USER",
    "grantee_name": None,
    "granted_by": "USERADMIN",
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


@command("SHOW ROLES")
def show_roles(statement: Statement) -> Result:
    """``SHOW ROLES [LIKE 'x']``: the roles of the system, and those that were created."""
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
        for created, name, comment in (
            *((None, role, "") for role in SYSTEM_ROLES),
            *session.duck.execute(
                f"SELECT created_on, name, comment FROM {ACCOUNT}.{CATALOG}.ROLES"
            ).fetchall(),
        )
        if scope.named(name)
    ]
    found.sort(key=lambda role: str(role["name"]))
    return listing(_ROLES, found[: scope.limit])


@command("SHOW GRANTS")
def show_grants(statement: Statement) -> Result:
    """``SHOW GRANTS [TO ROLE name | TO USER name | ON kind name | OF ROLE name]``."""
    session, reader = statement.session, statement.reader
    reader.expect("SHOW", "GRANTS")
    where, values = "true", []
    if reader.accept("TO", "USER"):
        return _of_user(session, reader)
    if reader.accept("TO"):
        reader.expect("ROLE")
        (role,) = reader.name()
        check_role(session, role)
        where, values = "grantee = ? AND granted_to = 'ROLE'", [role]
    elif reader.accept("ON"):
        kind = read_kind(reader)
        where, values = "granted_on = ? AND name = ?", [kind, read_object(session, reader, kind)]
    elif reader.accept("OF"):
        reader.expect("ROLE")
        (role,) = reader.name()
        check_role(session, role)
        where, values = "granted_on = 'ROLE' AND name = ?", [role]
    elif not reader.done:
        raise errors.UnsupportedError(f"SHOW GRANTS {reader.peek().upper}")
    reader.end()
    names = ("created_on", "privilege", "granted_on", "name", "grantee_name", "grant_option", "granted_to")
    found = session.duck.execute(
        "SELECT created_on, privilege, replace(granted_on, ' ', '_'), name, grantee, "
        f"coalesce(grant_option, false)::VARCHAR, granted_to FROM {grants.GRANTS} "
        f"WHERE {where} AND NOT starts_with(granted_on, ?) ORDER BY name, privilege",
        [*values, grants.FUTURE],
    ).fetchall()
    return listing(_GRANTS, [dict(zip(names, row, strict=True)) for row in found])


def _of_user(session: Session, reader: Reader) -> Result:
    """Return the roles of a user, as ``SHOW GRANTS TO USER name`` shows them."""
    (name,) = reader.name()
    reader.end()
    if not users.exists(session, name):
        raise errors.missing("User", name)
    found = session.duck.execute(
        f"SELECT created_on, name, grantee FROM {grants.GRANTS} WHERE granted_to = 'USER' AND grantee = ? ORDER BY name",
        [name],
    ).fetchall()
    names = ("created_on", "role", "grantee_name")
    return listing(_ROLES_OF_USER, [dict(zip(names, row, strict=True)) for row in found])


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
        value = read_object(session, reader, kind)
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
