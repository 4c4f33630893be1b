"""Users: stored and shown. Everybody who connects to the embedded warehouse is the user LOCAL.

https://docs.snowflake.com/en/sql-reference/sql/create-user
"""

from __future__ import annotations

import json

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG, dumps
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.listing import listing
from snowpipe_ml.local.statements.modifiers import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements.scope import Scope
from snowpipe_ml.local.statements.session_parameters import SESSION_PARAMETERS

_TABLE = f"{ACCOUNT}.{CATALOG}.USERS"
_TYPES = ("PERSON", "SERVICE", "SERVICE_AGENT", "LEGACY_SERVICE")
_PROPERTIES = {
    "COMMENT",
    "DEFAULT_NAMESPACE",
    "DEFAULT_ROLE",
    "DEFAULT_SECONDARY_ROLES",
    "DEFAULT_WAREHOUSE",
    "DISABLED",
    "DISPLAY_NAME",
    "EMAIL",
    "FIRST_NAME",
    "LAST_NAME",
    "LOGIN_NAME",
    "MIDDLE_NAME",
    "MUST_CHANGE_PASSWORD",
    "NETWORK_POLICY",
    "PASSWORD",
    "RSA_PUBLIC_KEY",
    "RSA_PUBLIC_KEY_2",
    "TYPE",
}
_NOT_OF_SERVICES = ("PASSWORD", "MUST_CHANGE_PASSWORD", "FIRST_NAME", "MIDDLE_NAME", "LAST_NAME")
_USERS = {
    "name": None,
    "created_on": None,
    "login_name": None,
    "display_name": None,
    "first_name": "",
    "last_name": "",
    "email": "",
    "comment": "",
    "disabled": "false",
    "default_warehouse": "",
    "default_namespace": "",
    "default_role": "",
    "owner": "USERADMIN",
    "type": "",
    "has_password": "false",
    "has_rsa_public_key": "false",
}


_ALWAYS = "LOCAL"
"""The user that each session has unless it logs in as another one."""


def exists(session: Session, name: str) -> bool:
    """Return whether a user exists; LOCAL always does."""
    found = session.duck.execute(f"SELECT 1 FROM {_TABLE} WHERE name = ?", [name]).fetchone()
    return bool(found) or name == _ALWAYS


def public_keys(session: Session, login_name: str) -> list[str]:
    """Return the public keys of the user with a login name."""
    stored = session.duck.execute(f"SELECT name, options FROM {_TABLE}").fetchall()
    for name, options_json in stored:
        options = json.loads(options_json)
        if str(options.get("LOGIN_NAME") or name).upper() == login_name:
            return [str(options[key]) for key in ("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2") if options.get(key)]
    return []


def _check(options: Options) -> None:
    """Refuse properties that users, or users of this type, do not have.

    Raises:
        ProgrammingError: a property is not known, or a service user would have a password.
    """
    for key in options:
        if key not in _PROPERTIES and key not in SESSION_PARAMETERS:
            raise errors.invalid_property(key, "USER")
    kind = str(options.get("TYPE", "PERSON")).upper()
    if kind not in _TYPES:
        raise errors.error(
            1008, "22023", f"SQL compilation error:\ninvalid value '{kind}' for property 'TYPE'"
        )
    for key in _NOT_OF_SERVICES:
        if kind in ("SERVICE", "SERVICE_AGENT") and key in options:
            raise errors.error(
                1420,
                "22023",
                f"SQL compilation error:\nthe property {key} cannot be set on a user of type {kind}",
            )


@command("CREATE USER")
def create_user(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] USER [IF NOT EXISTS] name properties``: stored and shown; nobody logs in as one."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("USER")
    lenient = if_not_exists(reader)
    (name,) = reader.name()
    options = reader.options()
    reader.end()
    _check(options)
    with session.storage.lock:
        if exists(session, name):
            if lenient:
                return status(f"{name} already exists, statement succeeded.")
            if not modifiers.replace:
                raise errors.exists(name)
            session.duck.execute(f"DELETE FROM {_TABLE} WHERE name = ?", [name])
        session.duck.execute(f"INSERT INTO {_TABLE} (name, options) VALUES (?, ?)", [name, dumps(options)])
    return status(f"User {name} successfully created.")


@command("ALTER USER")
def alter_user(statement: Statement) -> Result:
    """``ALTER USER [IF EXISTS] name SET properties``."""
    session, reader = statement.session, statement.reader
    reader.expect("ALTER", "USER")
    lenient = reader.accept("IF", "EXISTS")
    (name,) = reader.name()
    row = session.duck.execute(f"SELECT options FROM {_TABLE} WHERE name = ?", [name]).fetchone()
    if row is None:
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing("User", name)
    if not reader.accept("SET"):
        raise errors.UnsupportedError(f"ALTER USER ... {reader.peek().upper}")
    options = json.loads(row[0]) | reader.options()
    reader.end()
    _check(options)
    session.duck.execute(f"UPDATE {_TABLE} SET options = ? WHERE name = ?", [dumps(options), name])
    return status("Statement executed successfully.")


@command("DROP USER")
def drop_user(statement: Statement) -> Result:
    """``DROP USER [IF EXISTS] name``, with the grants of its roles."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("DROP", "USER")
    lenient = reader.accept("IF", "EXISTS")
    (name,) = reader.name()
    reader.end()
    gone = session.duck.execute(f"DELETE FROM {_TABLE} WHERE name = ? RETURNING name", [name]).fetchall()
    if not gone:
        if lenient:
            return already_dropped(name)
        raise errors.missing("User", name)
    session.duck.execute(
        f"DELETE FROM {ACCOUNT}.{CATALOG}.GRANTS WHERE grantee = ? AND granted_to = 'USER'", [name]
    )
    return dropped(name)


@command("SHOW USERS")
def show_users(statement: Statement) -> Result:
    """``SHOW USERS [LIKE 'x']``: LOCAL, which always exists, and the users that were created."""
    session = statement.session
    scope = Scope.of(statement, "USERS")
    found = []
    for name, text, created in session.duck.execute(
        f"SELECT name, options, created_on FROM {_TABLE} ORDER BY name"
    ).fetchall():
        if not scope.named(name):
            continue
        options = json.loads(text)
        shown: dict[str, object] = {
            key.lower(): str(options[key]) for key in _PROPERTIES if options.get(key) is not None
        }
        found.append(
            {
                **{key: value for key, value in shown.items() if key in _USERS},
                "name": name,
                "created_on": created,
                "login_name": str(options.get("LOGIN_NAME", name)).upper(),
                "display_name": str(options.get("DISPLAY_NAME", name)),
                "has_password": str("PASSWORD" in options).lower(),
                "has_rsa_public_key": str("RSA_PUBLIC_KEY" in options).lower(),
            }
        )
    if scope.named(_ALWAYS) and all(user["name"] != _ALWAYS for user in found):
        found.append({"name": _ALWAYS, "login_name": _ALWAYS, "display_name": _ALWAYS})
    found.sort(key=lambda user: str(user["name"]))
    return listing(_USERS, found[: scope.limit])
