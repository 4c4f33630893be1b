"""Names of objects: three-part names, quoting them for DuckDB, and the schemas that are the warehouse's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

Name = tuple[str, str, str]
"""Database, schema and object, as they are stored."""

CATALOG = "_SNOWPIPE"
ACCOUNT = "_ACCOUNT"
# Of DuckDB: the number of the session that runs a statement, in views too.
SESSION_VARIABLE = "snowpipe_session"


def quoted(*parts: str) -> str:
    """A DuckDB name."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def dumps(value: object) -> str:
    """JSON for the catalog."""
    return json.dumps(value, sort_keys=True)


def literal(value: str) -> str:
    """A text in a statement for DuckDB."""
    return "'" + value.replace("'", "''") + "'"


def path_literal(path: Path) -> str:
    """A path in a statement for DuckDB's readers, which would take ``x[1].csv`` and ``*.csv`` for patterns."""
    return literal(re.sub(r"[\[*?]", r"[\g<0>]", str(path)))
