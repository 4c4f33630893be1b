"""Snowflake's errors for what sqlglot cannot parse."""

from __future__ import annotations

import re
from typing import Any

from snowpipe_ml.local.core import errors

AT_END = "At the end: "
"""Begins sqlglot's descriptions of errors at the end of a statement: it shows the last token there."""
# What precedes the type of a column in CREATE TABLE.
_COLUMN_NAME = re.compile(r"""[(,]\s*(?:"[^"]+"|\w+)\s+$""")


def syntax_error(text: str, details: dict[str, Any]) -> Exception:
    """Make the error for what sqlglot says about a statement."""
    description, found = str(details.get("description", "")), details.get("highlight") or "<EOF>"
    if str(found).upper() == "MATCH_RECOGNIZE":
        return errors.UnsupportedError("MATCH_RECOGNIZE of a joined relation", "Put it into a subquery")
    line, start = (
        details.get("line", 1),
        details.get("col", 1) - len(found),
    )  # sqlglot gives the end of the token
    if description.startswith(AT_END):
        lines = text.rstrip(" \t\r\n;").split("\n")
        line, start, found = len(lines), len(lines[-1]), "<EOF>"
    elif str(found).isidentifier() and (
        description.lower().startswith("expected type")
        or (
            description == "Expecting )"
            and text.lstrip()[:6].upper() == "CREATE"
            and _COLUMN_NAME.search(details.get("start_context", ""))
        )
    ):
        return errors.error(2040, "42601", f"SQL compilation error:\nUnsupported data type '{found}'.")
    return errors.syntax(f"syntax error line {line} at position {max(0, start)} unexpected '{found}'.")
