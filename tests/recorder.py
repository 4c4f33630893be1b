"""Recording of the SQL that Snowflake would receive, at the embedded connection before it is rewritten."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from snowflake.snowpark import Session

import snowpipe_ml
from snowpipe_ml.engine.run.outcome import RunResult

_RECORDS = re.compile(r"INSERT INTO \S+SNOWPIPE_ML\.EVENTS ")
_TEMPORARY = re.compile(r"file:///[^']*/([^/']+)'")


class Recorder:
    """Records the statements of a Session."""

    def __init__(self, session: Any) -> None:
        self.statements: list[str] = []
        session.connection.listeners.append(self.statements.append)

    def normalized(self, result: RunResult) -> list[str]:
        """The statements, with placeholders for everything that differs between runs."""
        stamp = re.compile(r"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.?\d*'::TIMESTAMP_NTZ")
        replace = [
            (result.run.id, "RUN_ID"),
            (result.run.model_id, "MODEL_ID_VALUE"),
            (result.run.model_id.replace("_", r"\\_"), "MODEL_ID_VALUE"),
            (result.run.date.isoformat(), "RUN_DATE"),
        ]
        found: list[str] = []
        for text in self.statements:
            # Which records are written together depends on how long the steps take.
            if _RECORDS.match(text) and any(map(_RECORDS.match, found)):
                continue
            text = stamp.sub("'AT'::TIMESTAMP_NTZ", text)
            for old, new in replace:
                text = text.replace(old, new)
            text = re.sub(r"\b(SESSION_ID <>) \d+", r"\1 SESSION", text)
            text = _TEMPORARY.sub(r"file:///FOLDER/\1'", text)
            text = re.sub(r"(?<=[./])[0-9a-f]{16}(?=[./'])", "DIGEST", text)
            text = re.sub(r"'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'", "'QUERY_ID'", text)
            # The days are from the holidays library and change with its version.
            text = re.sub(r"(?<=AS HOLIDAY FROM VALUES ).*", "('DAY', 'NAME')", text)
            text = re.sub(r"'[^']*@[^']*, process \d+'", "'OWNER'", text)
            found.append(text.strip())
        return found


class Counted:
    """Opens Sessions on an embedded warehouse, and keeps what is sent on all of them.

    Args:
        folder: the folder of the warehouse.
        database: the current database.
        schema: the current schema.
    """

    def __init__(self, folder: Path, database: str, schema: str) -> None:
        self.statements: list[str] = []
        self._place = folder, database, schema

    def open(self) -> Session:
        """Open a Session: a ``session_factory`` of a run."""
        folder, database, schema = self._place
        session = snowpipe_ml.local_session(folder, database=database, schema=schema)
        session.connection.listeners.append(self.statements.append)
        return session

    def taken(self) -> list[str]:
        """Return the statements since the last call."""
        found = self.statements[:]
        del self.statements[:]
        return found


_DML = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE")


def kind_of(statement: str) -> str:
    """Return the kind of a statement, as the table of statements shows it."""
    first, second = [*statement.upper().split()[:2], ""][:2]
    if "SNOWPIPE_ML." in statement:
        return "records: DDL" if first in ("CREATE", "ALTER") else f"records: {first}"
    if "SYSTEM$LAST_CHANGE_COMMIT_TIME" in statement:
        return "versions"
    if first == "SHOW":
        return f"SHOW {second if second not in ('USER', 'FILE') else second + ' ' + statement.split()[2]}"
    if first in _DML:
        return "DML"
    if first in ("SELECT", "WITH"):
        return "queries"
    if first in ("CREATE", "ALTER", "DROP", "COMMENT", "GRANT") and second not in ("SESSION",):
        return "DDL"
    if first in ("BEGIN", "COMMIT", "ROLLBACK"):
        return "transactions"
    return f"{first} {second}" if first in ("ALTER", "USE") else first


def is_dml(statement: str) -> bool:
    """Return whether a statement changes rows."""
    return statement.split()[0].upper() in _DML
