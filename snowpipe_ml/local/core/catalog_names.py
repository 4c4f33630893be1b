"""The names of schemas and tables, compared with their case, which DuckDB ignores."""

from __future__ import annotations

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.translations import KnownNames

_SCHEMAS = "SELECT database_name, schema_name FROM duckdb_schemas() WHERE NOT internal"
_TABLES = (
    "SELECT database_name, schema_name, table_name AS name FROM duckdb_tables() WHERE NOT internal "
    "UNION ALL SELECT database_name, schema_name, view_name FROM duckdb_views() WHERE NOT internal"
)


def new_name(session: Session, name: tuple[str, ...], command: str) -> Name:
    """Complete the name of an object that is created.

    Raises:
        ProgrammingError: there is no such database or schema.
    """
    found = session.resolve(name, command)
    check_schema(session, found[0], found[1])
    return found


def check_schema(session: Session, database: str, schema: str | None = None) -> None:
    """Check that a database and a schema in it exist.

    Raises:
        ProgrammingError: there is no such database or schema.
    """
    if database not in session.storage.databases():
        raise errors.missing("Database", database)
    if schema in (None, "INFORMATION_SCHEMA"):
        return
    if (database, schema) not in _names(session).schemas:
        raise errors.missing("Schema", f"{database}.{schema}")


def has_case_of(session: Session, table: Name) -> bool:
    """Return whether no table or view has a name that differs from this one in case only."""
    odd = _names(session).odd
    if table in odd:
        return True
    return table[2] == table[2].upper() and table not in {(*each[:2], each[2].upper()) for each in odd}


def _names(session: Session) -> KnownNames:
    """Return the names of schemas and tables; they are read again after each change of the catalog."""
    known = session.known_names
    if known is None or known.version != session.catalog_version:
        schemas = session.duck.execute(_SCHEMAS).fetchall()
        odd = session.duck.execute(f"SELECT * FROM ({_TABLES}) WHERE name <> upper(name)").fetchall()
        known = KnownNames(session.catalog_version, frozenset(schemas), frozenset(odd))
        session.known_names = known
    return known
