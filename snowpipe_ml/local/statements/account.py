"""Account objects: warehouses, roles and grants. They are stored and shown, but have no effect."""

from __future__ import annotations

import json
import logging

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG, dumps
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements.scope import Scope, like
from snowpipe_ml.local.statements.shows import STAMP

log = logging.getLogger("snowpipe_ml.local")
_not_enforced = False


@command("CREATE WAREHOUSE")
def create_warehouse(statement: Statement) -> Result:
    """``CREATE [OR REPLACE|OR ALTER] WAREHOUSE [IF NOT EXISTS] name [WITH] options``: stored and shown."""
    session, reader = statement.session, statement.reader
    modifiers = Modifiers(reader)
    reader.expect("WAREHOUSE")
    lenient = if_not_exists(reader)
    (name,) = reader.name()
    reader.accept("WITH")
    options = reader.options()
    reader.end()
    table = f"{ACCOUNT}.{CATALOG}.WAREHOUSES"
    with session.storage.lock:
        there = session.duck.execute(f"SELECT 1 FROM {table} WHERE name = ?", [name]).fetchone()
        if there and lenient:
            return status(f"{name} already exists, statement succeeded.")
        if there and not (modifiers.replace or modifiers.alter):
            raise errors.exists(name)
        session.duck.execute(f"DELETE FROM {table} WHERE name = ?", [name])
        state = "SUSPENDED" if options.get("INITIALLY_SUSPENDED") else "STARTED"
        session.duck.execute(
            f"INSERT INTO {table} (name, options, state) VALUES (?, ?, ?)", [name, dumps(options), state]
        )
    session.warehouse = name
    return status(f"Warehouse {name} successfully created.")


@command("ALTER WAREHOUSE")
def alter_warehouse(statement: Statement) -> Result:
    """``ALTER WAREHOUSE name SET options | SUSPEND | RESUME``."""
    session, reader = statement.session, statement.reader
    reader.expect("ALTER", "WAREHOUSE")
    lenient = reader.accept("IF", "EXISTS")
    (name,) = reader.name()
    table = f"{ACCOUNT}.{CATALOG}.WAREHOUSES"
    row = session.duck.execute(f"SELECT options FROM {table} WHERE name = ?", [name]).fetchone()
    if row is None:
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing("Warehouse", name)
    if reader.accept("SUSPEND"):
        session.duck.execute(f"UPDATE {table} SET state = 'SUSPENDED' WHERE name = ?", [name])
    elif reader.accept("RESUME"):
        session.duck.execute(f"UPDATE {table} SET state = 'STARTED' WHERE name = ?", [name])
    else:
        reader.expect("SET")
        options = json.loads(row[0]) | reader.options()
        reader.end()
        session.duck.execute(f"UPDATE {table} SET options = ? WHERE name = ?", [dumps(options), name])
    return status("Statement executed successfully.")


@command("DROP WAREHOUSE")
def drop_warehouse(statement: Statement) -> Result:
    """``DROP WAREHOUSE [IF EXISTS] name``."""
    return _drop_account_object(statement, "WAREHOUSE", "WAREHOUSES")


@command("DROP ROLE")
def drop_role(statement: Statement) -> Result:
    """``DROP ROLE [IF EXISTS] name``."""
    return _drop_account_object(statement, "ROLE", "ROLES")


def _drop_account_object(statement: Statement, kind: str, table: str) -> Result:
    reader = statement.reader
    reader.expect("DROP", kind)
    lenient = reader.accept("IF", "EXISTS")
    (name,) = reader.name()
    gone = statement.session.duck.execute(
        f"DELETE FROM {ACCOUNT}.{CATALOG}.{table} WHERE name = ? RETURNING name", [name]
    ).fetchall()
    if not gone and not lenient:
        raise errors.missing(kind.capitalize(), name)
    return dropped(name) if gone else already_dropped(name)


def _say_not_enforced() -> None:
    global _not_enforced
    if not _not_enforced:
        _not_enforced = True
        log.warning("the embedded warehouse stores and shows roles and grants, but does not enforce them")


@command("CREATE ROLE")
def create_role(statement: Statement) -> Result:
    """``CREATE ROLE [IF NOT EXISTS] name``: stored, not enforced."""
    _say_not_enforced()
    session, reader = statement.session, statement.reader
    Modifiers(reader)
    reader.expect("ROLE")
    lenient = if_not_exists(reader)
    (name,) = reader.name()
    options = reader.options()
    table = f"{ACCOUNT}.{CATALOG}.ROLES"
    with session.storage.lock:
        if session.duck.execute(f"SELECT 1 FROM {table} WHERE name = ?", [name]).fetchone():
            if lenient:
                return status(f"{name} already exists, statement succeeded.")
            raise errors.exists(name)
        session.duck.execute(
            f"INSERT INTO {table} (name, comment) VALUES (?, ?)", [name, options.get("COMMENT")]
        )
    return status(f"Role {name} successfully created.")


@command("GRANT", "REVOKE")
def grant(statement: Statement) -> Result:
    """``GRANT privileges ON kind name TO [ROLE] role`` and REVOKE ... FROM: stored, not enforced."""
    _say_not_enforced()
    session, reader = statement.session, statement.reader
    granting = reader.next().upper == "GRANT"
    privileges: list[str] = []
    words: list[str] = []
    while not reader.accept("ON"):
        if reader.accept(","):
            privileges.append(" ".join(words))
            words = []
        else:
            words.append(reader.next().upper)
    privileges.append(" ".join(words))
    kind = [reader.next().upper]
    while reader.peek(1).kind == "word" and not reader.looking_at("TO", "ROLE"):
        if reader.peek(1).upper in ("TO", "FROM"):
            break
        kind.append(reader.next().upper)
    name = ".".join(reader.name())
    reader.expect("TO" if granting else "FROM")
    reader.accept("ROLE")
    (role,) = reader.name()
    table = f"{ACCOUNT}.{CATALOG}.GRANTS"
    for privilege in privileges:
        row = [privilege, " ".join(kind), name, role]
        session.duck.execute(
            f"DELETE FROM {table} WHERE privilege = ? AND granted_on = ? AND name = ? AND grantee = ?", row
        )
        if granting:
            session.duck.execute(
                f"INSERT INTO {table} (privilege, granted_on, name, grantee) VALUES (?, ?, ?, ?)", row
            )
    return status("Statement executed successfully.")


@command("SHOW WAREHOUSES")
def show_warehouses(statement: Statement) -> Result:
    """``SHOW WAREHOUSES``: the names and settings of the warehouses that were created."""
    scope = Scope.of(statement, "WAREHOUSES")
    found = statement.session.duck.execute(
        f"SELECT name, options, state, created_on FROM {ACCOUNT}.{CATALOG}.WAREHOUSES ORDER BY name"
    ).fetchall()
    shown = []
    for name, options_json, state, created in found:
        if like(name, scope.pattern):
            options = json.loads(options_json)
            size = str(options.get("WAREHOUSE_SIZE", "XSMALL"))
            shown.append(
                (
                    name,
                    state,
                    str(options.get("WAREHOUSE_TYPE", "STANDARD")),
                    size,
                    int(options.get("AUTO_SUSPEND") or 600),
                    str(options.get("RESOURCE_CONSTRAINT", "")),
                    str(options.get("COMMENT", "")),
                    created,
                )
            )
    return rows(
        [
            ("name", "VARCHAR"),
            ("state", "VARCHAR"),
            ("type", "VARCHAR"),
            ("size", "VARCHAR"),
            ("auto_suspend", "BIGINT"),
            ("resource_constraint", "VARCHAR"),
            ("comment", "VARCHAR"),
            ("created_on", STAMP),
        ],
        shown,
    )


@command("SHOW ROLES", "SHOW GRANTS")
def show_roles(statement: Statement) -> Result:
    """``SHOW ROLES`` and ``SHOW GRANTS [TO ROLE name]``."""
    reader, duck = statement.reader, statement.session.duck
    reader.expect("SHOW")
    if reader.accept("ROLES"):
        found = duck.execute(
            f"SELECT created_on, name, comment FROM {ACCOUNT}.{CATALOG}.ROLES ORDER BY name"
        ).fetchall()
        return rows([("created_on", STAMP), ("name", "VARCHAR"), ("comment", "VARCHAR")], found)
    reader.expect("GRANTS")
    role = reader.name()[0] if reader.accept("TO", "ROLE") else None
    reader.end()
    found = duck.execute(
        f"SELECT created_on, privilege, granted_on, name, 'ROLE', grantee FROM {ACCOUNT}.{CATALOG}.GRANTS "
        "WHERE coalesce(grantee = ?, true) ORDER BY 4, 2",
        [role],
    ).fetchall()
    return rows(
        [
            ("created_on", STAMP),
            ("privilege", "VARCHAR"),
            ("granted_on", "VARCHAR"),
            ("name", "VARCHAR"),
            ("granted_to", "VARCHAR"),
            ("grantee_name", "VARCHAR"),
        ],
        found,
    )
