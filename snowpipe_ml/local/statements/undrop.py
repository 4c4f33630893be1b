"""``UNDROP``: restore dropped tables, schemas and databases.

https://docs.snowflake.com/en/sql-reference/sql/undrop
"""

from __future__ import annotations

import json

from snowpipe_ml.local.catalog import grants
from snowpipe_ml.local.catalog.dropped import dropped_schema, restore_schema, restore_table
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.versions import hint, note_change
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import check_schema
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.core.values import Row
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.databases import schema_exists


def purged(kind: str, name: str, more: str = "") -> Exception:
    """Make Snowflake's error for an object that cannot be restored."""
    return errors.compilation(f"{kind} '{name}' did not exist or was purged.{more}", "02000")


@command("UNDROP TABLE")
def undrop_table(statement: Statement) -> Result:
    """``UNDROP TABLE name``: restore the latest dropped or replaced table of the name, with its earlier versions.

    https://docs.snowflake.com/en/sql-reference/sql/undrop-table
    """
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("UNDROP", "TABLE")
    name = session.resolve(reader.name(), "UNDROP")
    reader.end()
    check_schema(session, *name[:2])

    def run() -> list[Row]:
        with in_transaction(session):
            if existing_kind(session, name) is not None:
                raise errors.exists(name[2])
            found = restore_table(session, name)
            if found is None:
                raise purged("Table", name[2], hint(session, name))
            note_change(session, name, 0)
            return found

    with session.storage.naming(name):
        grants.restore(session, retry_conflicts(session, run))
    return status(f"Table {name[2]} successfully restored.")


@command("UNDROP DATABASE")
def undrop_database(statement: Statement) -> Result:
    """``UNDROP DATABASE name``: restore the latest dropped database of the name.

    https://docs.snowflake.com/en/sql-reference/sql/undrop-database
    """
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("UNDROP", "DATABASE")
    (name,) = reader.name()
    reader.end()
    with session.storage.naming((name,)):
        if name in session.storage.databases():
            raise errors.exists(name)
        note = session.storage.undrop_database(name)
        if note is None:
            raise purged("Database", name)
        grants.restore(session, json.loads(note))
    return status(f"Database {name} successfully restored.")


@command("UNDROP SCHEMA")
def undrop_schema(statement: Statement) -> Result:
    """``UNDROP SCHEMA name``: restore the latest dropped schema of the name, with its tables and views.

    https://docs.snowflake.com/en/sql-reference/sql/undrop-schema

    Raises:
        UnsupportedError: it had other objects.
    """
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("UNDROP", "SCHEMA")
    parts = reader.name()
    reader.end()
    database = parts[0] if len(parts) == 2 else session.database
    if not database:
        raise errors.no_database("UNDROP SCHEMA")
    check_schema(session, database)
    if schema_exists(session, database, parts[-1]):
        raise errors.exists(parts[-1])

    def run() -> list[Row]:
        found = dropped_schema(session, database, parts[-1])
        if found is None:
            raise purged("Schema", parts[-1], hint(session, (database, parts[-1], "")))
        others = found[1]["others"]
        if others:
            listed = ", ".join(other.lower().replace("_", " ") for other in others)
            raise errors.UnsupportedError(f"UNDROP of a schema with {listed}", "Create them again")
        with in_transaction(session):
            return restore_schema(session, database, parts[-1])

    grants.restore(session, retry_conflicts(session, run))
    return status(f"Schema {parts[-1]} successfully restored.")
