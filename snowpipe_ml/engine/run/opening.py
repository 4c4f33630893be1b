"""How the engine opens Sessions on the target of a spec, and connections for what needs no Session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from snowpipe_ml.plugins import Target
from snowpipe_ml.plugins.connection import Connection, current_schema, execute
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, like_pattern, sql
from snowpipe_ml.steps.declared.warehouses import WarehouseStep

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def dicts(connection: Connection, statement: Sql) -> list[dict[str, object]]:
    """Run one statement and return its rows by the names of their columns."""
    return [row.as_dict() for row in execute(connection, statement)]


def opener(spec: Spec, path: Path, *, make: bool = False) -> Callable[[], Session]:
    """Return a function that opens Sessions on a spec's target.

    Args:
        spec: the spec.
        path: its file.
        make: create the default warehouse if the spec declares it and it does not exist, as a run does.
    """
    base, given, own = path.resolve().parent, *_default_warehouse(spec)

    def open_session() -> Session:
        session = _target(spec, make).open_session(base, given)
        _enter_environment(session.connection, session.close, spec, make)
        if own is not None:
            _use_declared(session.connection, own, make)
        return session

    return open_session


def connector(spec: Spec, path: Path, *, make: bool = False) -> Callable[[], Connection]:
    """Return a function that opens connections to a spec's target; the arguments are those of `opener`."""
    base, given, own = path.resolve().parent, *_default_warehouse(spec)

    def connect() -> Connection:
        connection = _target(spec, make).connect(base, given)
        _enter_environment(connection, connection.close, spec, make)
        if own is not None:
            _use_declared(connection, own, make)
        return connection

    return connect


def _target(spec: Spec, make: bool) -> Target:
    """Return the target to connect to: not an environment that may not exist, as a target creates its schema."""
    return spec.target if make or spec.environment is None else spec.environment.target


def _enter_environment(connection: Connection, close: Callable[[], None], spec: Spec, make: bool) -> None:
    """Use the schema of the environment of a spec on a connection to its target; a run has made it before.

    Raises:
        UsageError: the environment does not exist.
    """
    environment = spec.environment
    if make or environment is None:
        return
    records = environment.records
    look = sql(
        "SHOW SCHEMAS LIKE {name} IN DATABASE {database}",
        name=like_pattern(records.name),
        database=records.parts[0],
    )
    shown = {str(row["name"]): str(row["comment"]) for row in execute(connection, look)}
    if shown.get(records.name.name) != environment.records_mark(finished=True):
        close()
        raise environment.missing(spec.target_name)
    execute(connection, sql("USE SCHEMA {schema}", schema=environment.clone(environment.home)))


def _default_warehouse(spec: Spec) -> tuple[Identifier | None, WarehouseStep | None]:
    """The target's default warehouse: as it exists, or as the spec declares it."""
    name = spec.target.default_warehouse
    for written, settings in spec.pipeline.warehouses.items():
        if Identifier.parse(written) == name and settings.managed == "here":
            return None, WarehouseStep(f"warehouses.{written}", written, settings)
    return name, None


def _use_declared(connection: Connection, warehouse: WarehouseStep, make: bool) -> None:
    """Use the default warehouse that the spec declares; the state store needs one before the first step."""
    shown = execute(connection, Sql(f"SHOW WAREHOUSES LIKE {like_pattern(warehouse.object).sql}"))
    if not any(row["name"] == warehouse.object.name for row in shown):
        if not make:
            return
        execute(connection, warehouse.create_if_missing())
    execute(connection, sql("USE WAREHOUSE {name}", name=warehouse.object))


def state_schema(spec: Spec, connection: Connection) -> QualifiedName:
    """The schema of the state store, in the current database of the connection."""
    current = current_schema(connection)
    return QualifiedName((current[0] if current else spec.target.database, spec.pipeline.state))
