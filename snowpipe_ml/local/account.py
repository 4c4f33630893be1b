"""What belongs to no database: warehouses, roles and grants. They are kept and shown, and have no effect."""

from __future__ import annotations

import json
import logging

from snowpipe_ml.local import errors
from snowpipe_ml.local.objects import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements import Result, Statement, command, status
from snowpipe_ml.local.storage import ACCOUNT, CATALOG, dumps

log = logging.getLogger("snowpipe_ml.local")
_not_enforced = False


@command("CREATE WAREHOUSE")
def create_warehouse(statement: Statement) -> Result:
    """``CREATE [OR REPLACE|OR ALTER] WAREHOUSE [IF NOT EXISTS] name [WITH] options``: kept, shown."""
    connection, reader = statement.connection, statement.reader
    modifiers = Modifiers(reader)
    reader.expect("WAREHOUSE")
    lenient = if_not_exists(reader)
    (name,) = reader.name()
    reader.accept("WITH")
    options = reader.options()
    reader.end()
    table = f"{ACCOUNT}.{CATALOG}.WAREHOUSES"
    with connection.storage.lock:
        there = connection.duck.execute(f"SELECT 1 FROM {table} WHERE name = ?", [name]).fetchone()
        if there and lenient:
            return status(f"{name} already exists, statement succeeded.")
        if there and not (modifiers.replace or modifiers.alter):
            raise errors.exists(name)
        connection.duck.execute(f"DELETE FROM {table} WHERE name = ?", [name])
        state = "SUSPENDED" if options.get("INITIALLY_SUSPENDED") else "STARTED"
        connection.duck.execute(
            f"INSERT INTO {table} (name, options, state) VALUES (?, ?, ?)", [name, dumps(options), state]
        )
    connection.warehouse = name
    return status(f"Warehouse {name} successfully created.")


@command("ALTER WAREHOUSE")
def alter_warehouse(statement: Statement) -> Result:
    """``ALTER WAREHOUSE name SET options | SUSPEND | RESUME``."""
    connection, reader = statement.connection, statement.reader
    reader.expect("ALTER", "WAREHOUSE")
    lenient = reader.accept("IF", "EXISTS")
    (name,) = reader.name()
    table = f"{ACCOUNT}.{CATALOG}.WAREHOUSES"
    row = connection.duck.execute(f"SELECT options FROM {table} WHERE name = ?", [name]).fetchone()
    if row is None:
        if lenient:
            return status("Statement executed successfully.")
        raise errors.missing("Warehouse", name)
    if reader.accept("SUSPEND"):
        connection.duck.execute(f"UPDATE {table} SET state = 'SUSPENDED' WHERE name = ?", [name])
    elif reader.accept("RESUME"):
        connection.duck.execute(f"UPDATE {table} SET state = 'STARTED' WHERE name = ?", [name])
    else:
        reader.expect("SET")
        options = json.loads(row[0]) | reader.options()
        reader.end()
        connection.duck.execute(f"UPDATE {table} SET options = ? WHERE name = ?", [dumps(options), name])
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
    gone = statement.connection.duck.execute(
        f"DELETE FROM {ACCOUNT}.{CATALOG}.{table} WHERE name = ? RETURNING name", [name]
    ).fetchall()
    if not gone and not lenient:
        raise errors.missing(kind.capitalize(), name)
    return dropped(name) if gone else already_dropped(name)


def _say_not_enforced() -> None:
    global _not_enforced
    if not _not_enforced:
        _not_enforced = True
        log.warning("the embedded warehouse keeps and shows roles and grants, and does not enforce them")


@command("CREATE ROLE")
def create_role(statement: Statement) -> Result:
    """``CREATE ROLE [IF NOT EXISTS] name``: kept, not enforced."""
    _say_not_enforced()
    connection, reader = statement.connection, statement.reader
    Modifiers(reader)
    reader.expect("ROLE")
    lenient = if_not_exists(reader)
    (name,) = reader.name()
    options = reader.options()
    table = f"{ACCOUNT}.{CATALOG}.ROLES"
    with connection.storage.lock:
        if connection.duck.execute(f"SELECT 1 FROM {table} WHERE name = ?", [name]).fetchone():
            if lenient:
                return status(f"{name} already exists, statement succeeded.")
            raise errors.exists(name)
        connection.duck.execute(
            f"INSERT INTO {table} (name, comment) VALUES (?, ?)", [name, options.get("COMMENT")]
        )
    return status(f"Role {name} successfully created.")


@command("GRANT", "REVOKE")
def grant(statement: Statement) -> Result:
    """``GRANT privileges ON kind name TO [ROLE] role`` and REVOKE ... FROM: kept, not enforced."""
    _say_not_enforced()
    connection, reader = statement.connection, statement.reader
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
        connection.duck.execute(
            f"DELETE FROM {table} WHERE privilege = ? AND granted_on = ? AND name = ? AND grantee = ?", row
        )
        if granting:
            connection.duck.execute(
                f"INSERT INTO {table} (privilege, granted_on, name, grantee) VALUES (?, ?, ?, ?)", row
            )
    return status("Statement executed successfully.")
