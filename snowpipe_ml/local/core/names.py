"""Names of objects: three-part names, quoting for DuckDB, and the warehouse's internal schemas."""

from __future__ import annotations

import json
import re
from pathlib import Path

Name = tuple[str, str, str]
"""Database, schema and object, in their stored form (an unquoted name is stored in upper case)."""

CATALOG = "_SNOWPIPE"
ACCOUNT = "_ACCOUNT"
# The DuckDB database of the macros, which is no database of Snowflake's: see core/macros.
MACROS = "_MACROS"
# A DuckDB variable that holds the id of the session that runs the statement. Views can read it too.
SESSION_VARIABLE = "snowpipe_session"


def quoted(*parts: str) -> str:
    """Quote the parts of a name for DuckDB and join them with dots."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def dumps(value: object) -> str:
    """Serialize a value as JSON for the catalog."""
    return json.dumps(value, sort_keys=True)


def literal(value: str) -> str:
    """Write a text as a DuckDB string literal."""
    return "'" + value.replace("'", "''") + "'"


def path_literal(path: Path) -> str:
    """Write a path as a literal for DuckDB's readers; escape ``[``, ``*`` and ``?``, which start patterns."""
    return literal(re.sub(r"[\[*?]", r"[\g<0>]", str(path)))
