"""Schemas and databases of the embedded warehouse or of DuckDB that SQL statements must not name."""

from __future__ import annotations

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG, MACROS

_SCHEMAS = frozenset({CATALOG, "MAIN", "PG_CATALOG"})
_DATABASES = frozenset({ACCOUNT, MACROS, "SYSTEM", "TEMP", "MEMORY"})
RESERVED = _SCHEMAS | _DATABASES


def check_names(database: str | None, schema: str | None = None) -> None:
    """Refuse reserved names in upper and lower case, because DuckDB ignores case.

    Raises:
        ProgrammingError: the name is reserved; the error is that of an object that does not exist.
    """
    if database is not None and database.upper() in _DATABASES:
        raise errors.missing("Database", database)
    if schema is not None and schema.upper() in _SCHEMAS:
        raise errors.missing("Schema", schema if database is None else f"{database}.{schema}")
