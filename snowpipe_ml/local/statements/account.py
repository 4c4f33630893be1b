"""Warehouses. They are stored and shown, but have no effect."""

from __future__ import annotations

import json

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG, dumps
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Options, number_option, text_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.listing import OWNER, listing
from snowpipe_ml.local.statements.modifiers import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements.scope import Scope

_WAREHOUSES = {
    "name": None,
    "state": None,
    "type": "STANDARD",
    "size": "X-Small",
    "min_cluster_count": 1,
    "max_cluster_count": 1,
    "started_clusters": 0,
    "running": 0,
    "queued": 0,
    "is_default": "N",
    "is_current": "N",
    "auto_suspend": 600,
    "auto_resume": "true",
    "available": "",
    "provisioning": "",
    "quiescing": "",
    "other": "",
    "created_on": None,
    "resumed_on": None,
    "updated_on": None,
    "owner": OWNER,
    "comment": "",
    "enable_query_acceleration": "false",
    "query_acceleration_max_scale_factor": 8,
    "resource_monitor": "null",
    "actives": "0",
    "pendings": "0",
    "failed": "0",
    "suspended": "0",
    "uuid": "",
    "scaling_policy": "STANDARD",
    "owner_role_type": "ROLE",
    "resource_constraint": None,
    "generation": None,
}
_OPTIONS = (
    "WAREHOUSE_TYPE",
    "WAREHOUSE_SIZE",
    "GENERATION",
    "RESOURCE_CONSTRAINT",
    "MAX_CLUSTER_COUNT",
    "MIN_CLUSTER_COUNT",
    "SCALING_POLICY",
    "AUTO_SUSPEND",
    "AUTO_RESUME",
    "INITIALLY_SUSPENDED",
    "RESOURCE_MONITOR",
    "COMMENT",
    "ENABLE_QUERY_ACCELERATION",
    "QUERY_ACCELERATION_MAX_SCALE_FACTOR",
    "MAX_CONCURRENCY_LEVEL",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
    "STATEMENT_TIMEOUT_IN_SECONDS",
    "WAIT_FOR_COMPLETION",
)
WAREHOUSE_PARAMETERS = {
    "MAX_CONCURRENCY_LEVEL": "8",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": "0",
    "STATEMENT_TIMEOUT_IN_SECONDS": "172800",
}
"""The parameters of a warehouse with their defaults, as SHOW PARAMETERS IN WAREHOUSE prints them."""
# The sizes as they are written, without hyphens, and as SHOW WAREHOUSES prints them.
_SIZES = {
    "XSMALL": "X-Small",
    "SMALL": "Small",
    "MEDIUM": "Medium",
    "LARGE": "Large",
    "XLARGE": "X-Large",
    "XXLARGE": "2X-Large",
    "XXXLARGE": "3X-Large",
    **{f"X{n}LARGE": f"{n}X-Large" for n in range(2, 7)},
    **{f"{n}XLARGE": f"{n}X-Large" for n in range(2, 7)},
}


def _size(options: Options) -> str:
    text = str(options.get("WAREHOUSE_SIZE") or "XSMALL")
    size = _SIZES.get(text.upper().replace("-", ""))
    if size is None:
        raise errors.error(
            1008,
            "22023",
            f"SQL compilation error:\ninvalid value '{text}' for property 'WAREHOUSE_SIZE'",
        )
    return size


def _check_options(options: Options) -> None:
    """Refuse options that warehouses do not have.

    Raises:
        ProgrammingError: an option or the size is not known, or the generation is not in quotes.
    """
    for key in options:
        if key not in _OPTIONS:
            raise errors.invalid_property(key, "WAREHOUSE")
    _size(options)
    text_option(options, "GENERATION")


def warehouse_options(session: Session, name: str) -> Options:
    """Return the options of a warehouse.

    Raises:
        ProgrammingError: it does not exist.
    """
    found = session.duck.execute(
        f"SELECT options FROM {ACCOUNT}.{CATALOG}.WAREHOUSES WHERE name = ?", [name]
    ).fetchone()
    if found is None:
        raise errors.missing("Warehouse", name)
    options: Options = json.loads(found[0])
    return options


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
    _check_options(options)
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
    if lenient and not session.duck.execute(f"SELECT 1 FROM {table} WHERE name = ?", [name]).fetchone():
        return status("Statement executed successfully.")
    there = warehouse_options(session, name)
    if reader.accept("SUSPEND"):
        session.duck.execute(f"UPDATE {table} SET state = 'SUSPENDED' WHERE name = ?", [name])
    elif reader.accept("RESUME"):
        session.duck.execute(f"UPDATE {table} SET state = 'STARTED' WHERE name = ?", [name])
    else:
        reader.expect("SET")
        given = reader.options()
        reader.end()
        _check_options(given)
        options = there | given
        session.duck.execute(f"UPDATE {table} SET options = ? WHERE name = ?", [dumps(options), name])
    return status("Statement executed successfully.")


@command("DROP WAREHOUSE")
def drop_warehouse(statement: Statement) -> Result:
    """``DROP WAREHOUSE [IF EXISTS] name``; the session has no current warehouse after it drops that one."""
    session, reader = statement.session, statement.reader
    reader.expect("DROP", "WAREHOUSE")
    lenient = reader.accept("IF", "EXISTS")
    (name,) = reader.name()
    reader.end()
    gone = session.duck.execute(
        f"DELETE FROM {ACCOUNT}.{CATALOG}.WAREHOUSES WHERE name = ? RETURNING name", [name]
    ).fetchall()
    if not gone:
        if lenient:
            return already_dropped(name)
        raise errors.missing("Warehouse", name)
    grants.forget(session, "WAREHOUSE", (name,))
    if session.warehouse == name:
        session.warehouse = None
    return dropped(name)


@command("SHOW WAREHOUSES")
def show_warehouses(statement: Statement) -> Result:
    """``SHOW WAREHOUSES``: the names and settings of the warehouses that were created."""
    scope = Scope.of(statement, "WAREHOUSES")
    stored = statement.session.duck.execute(
        f"SELECT name, options, state, created_on FROM {ACCOUNT}.{CATALOG}.WAREHOUSES ORDER BY name"
    ).fetchall()
    found = []
    for name, options_json, state, created in stored:
        if not scope.named(name):
            continue
        options = json.loads(options_json)
        shown: dict[str, object] = {
            "name": name,
            "state": state,
            "size": _size(options),
            "is_current": "Y" if name == statement.session.warehouse else "N",
            "created_on": created,
            "resumed_on": created,
            "updated_on": created,
        }
        for key in ("SCALING_POLICY", "RESOURCE_MONITOR", "RESOURCE_CONSTRAINT", "GENERATION", "COMMENT"):
            if options.get(key) is not None:
                shown[key.lower()] = str(options[key])
        if options.get("WAREHOUSE_TYPE"):
            shown["type"] = str(options["WAREHOUSE_TYPE"])
        for key in ("AUTO_RESUME", "ENABLE_QUERY_ACCELERATION"):
            if options.get(key) is not None:
                shown[key.lower()] = str(options[key]).lower()
        for key in ("MIN_CLUSTER_COUNT", "MAX_CLUSTER_COUNT", "QUERY_ACCELERATION_MAX_SCALE_FACTOR"):
            if options.get(key) is not None:
                shown[key.lower()] = number_option(options, key, 0)
        if "AUTO_SUSPEND" in options:
            shown["auto_suspend"] = number_option(options, "AUTO_SUSPEND", 0)
        found.append(shown)
    return listing(_WAREHOUSES, found[: scope.limit])
