"""How the engine opens Sessions on the target of a spec, and connections for what needs no Session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

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
        session = spec.target.open_session(base, given)
        if own is not None:
            _use_declared(session.connection, own, make)
        return session

    return open_session


def connector(spec: Spec, path: Path, *, make: bool = False) -> Callable[[], Connection]:
    """Return a function that opens connections to a spec's target; the arguments are those of `opener`."""
    base, given, own = path.resolve().parent, *_default_warehouse(spec)

    def connect() -> Connection:
        connection = spec.target.connect(base, given)
        if own is not None:
            _use_declared(connection, own, make)
        return connection

    return connect


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
