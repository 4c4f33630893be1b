"""Dynamic tables: tables with the rows of a query, which are computed again when they are refreshed.

The embedded warehouse refreshes one when a statement says so, and never by its target lag. The table itself is an
ordinary one, and a property of it holds the query and the options.
https://docs.snowflake.com/en/user-guide/dynamic-tables-about
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.catalog.kind import CREATED, PLACE, Listed
from snowpipe_ml.local.catalog.properties import CREATED as CREATED_ON
from snowpipe_ml.local.catalog.properties import DYNAMIC, properties_of, set_property
from snowpipe_ml.local.catalog.tables import Tables
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, dumps, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Row
from snowpipe_ml.sql import Identifier, Literal

_CHANGING: set[tuple[int, Name]] = set()
"""The sessions that refresh or replace a dynamic table."""


def _option(name: str) -> str:
    return f"json_extract_string(options, '$.{name}')"


class DynamicTables(Listed):
    """Dynamic tables."""

    word = "DYNAMIC TABLE"
    shown = (
        CREATED,
        *PLACE,
        ("cluster_by", "VARCHAR", f"coalesce({_option('cluster_by')}, '')"),
        ("rows", "BIGINT", "NULL"),
        ("bytes", "BIGINT", "NULL"),
        ("owner", "VARCHAR", _option("owner")),
        ("target_lag", "VARCHAR", _option("target_lag")),
        ("scheduler", "VARCHAR", "NULL"),
        ("refresh_mode", "VARCHAR", _option("refresh_mode")),
        ("refresh_mode_reason", "VARCHAR", "NULL"),
        ("warehouse", "VARCHAR", _option("warehouse")),
        ("comment", "VARCHAR", f"coalesce({_option('comment')}, '')"),
        ("text", "VARCHAR", _option("text")),
        ("automatic_clustering", "VARCHAR", "'OFF'"),
        ("scheduling_state", "VARCHAR", _option("state")),
        ("last_suspended_on", "TIMESTAMP WITH TIME ZONE", f"{_option('last_suspended')}::TIMESTAMPTZ"),
        ("is_clone", "VARCHAR", "'false'"),
        ("is_replica", "VARCHAR", "'false'"),
        ("is_iceberg", "VARCHAR", "'false'"),
        ("data_timestamp", "TIMESTAMP WITH TIME ZONE", f"{_option('refreshed')}::TIMESTAMPTZ"),
        ("owner_role_type", "VARCHAR", "'ROLE'"),
        ("immutable_where", "VARCHAR", "NULL"),
        ("execute_as_user", "VARCHAR", "NULL"),
    )
    """https://docs.snowflake.com/en/sql-reference/sql/show-dynamic-tables; the bytes are not known here."""

    def rows(self, session: Session, database: str) -> list[tuple[str, str, Row]]:
        """List the dynamic tables of a database, with their numbers of rows."""
        place = [name for name, _, _ in self.shown].index("rows")
        found = []
        for schema, name, row in super().rows(session, database):
            count = session.duck.execute(f"SELECT COUNT(*) FROM {quoted(database, schema, name)}").fetchone()
            found.append((schema, name, (*row[:place], *(count or ()), *row[place + 1 :])))
        return found

    def relation(self, session: Session, database: str) -> str:
        """Return the dynamic tables of a database, with their options as JSON."""
        table = session.catalog(database, "PROPERTIES")
        return (
            f"(SELECT {literal(database)} AS database_name, d.schema_name, d.name, d.value AS options, "
            f"c.value::TIMESTAMPTZ AS created_on FROM {table} d LEFT JOIN {table} c ON c.schema_name = d.schema_name "
            f"AND c.name = d.name AND c.property = {literal(CREATED_ON)} WHERE d.property = {literal(DYNAMIC)})"
        )

    def ddl(self, session: Session, name: Name, arguments: str) -> str:
        """Return the CREATE DYNAMIC TABLE statement of a dynamic table."""
        options = options_of(session, name)
        columns = ",\n".join(f"\t{Identifier(column.name).sql}" for column in stored_columns(session, name))
        lag, warehouse = Literal(options["target_lag"]).sql, Identifier(str(options["warehouse"])).sql
        return (
            f"create or replace dynamic table {Identifier(name[2]).sql}(\n{columns}\n) target_lag = {lag} "
            f"refresh_mode = {options['refresh_mode']} initialize = ON_CREATE warehouse = {warehouse}\n as "
            f"{options['query']};"
        )

    def drop(self, session: Session, name: Name, arguments: str = "") -> bool:
        """Drop a dynamic table; return False if it does not exist."""
        return self.exists(session, name) and Tables().drop(session, name)


def options_of(session: Session, name: Name) -> dict[str, str | None]:
    """Return the options of a dynamic table.

    Raises:
        ProgrammingError: it does not exist.
    """
    kept = properties_of(session, name).get(DYNAMIC)
    if kept is None:
        raise errors.missing("Dynamic table", ".".join(name))
    found: dict[str, str | None] = json.loads(kept)
    return found


def keep_options(session: Session, name: Name, options: dict[str, str | None]) -> None:
    """Store the options of a dynamic table."""
    set_property(session, name, DYNAMIC, dumps(options))


@contextmanager
def changing(session: Session, name: Name) -> Iterator[None]:
    """Let the session change the rows of a dynamic table inside the block, to refresh or to replace it."""
    _CHANGING.add((session.session_id, name))
    try:
        yield
    finally:
        _CHANGING.discard((session.session_id, name))


def refuse_dynamic(session: Session, name: Name | None) -> None:
    """Refuse a statement that changes the rows or columns of a dynamic table, or replaces it by a table.

    https://docs.snowflake.com/en/user-guide/dynamic-tables-limitations

    Raises:
        ProgrammingError: it is a dynamic table.
    """
    if name is None or (session.session_id, name) in _CHANGING or DYNAMIC not in properties_of(session, name):
        return
    raise errors.compilation(
        f"Invalid operation on the dynamic table '{'.'.join(name)}': its rows are those of its query"
    )
