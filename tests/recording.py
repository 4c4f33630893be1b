"""Recording of the SQL that Snowflake would receive, at the embedded connection before it is rewritten."""

from __future__ import annotations

import json
import re
from typing import Any

import sqlglot

from snowpipe_ml.engine.run.outcome import RunResult

# Run metadata contains times, so each record is replaced by a summary of its event, step and status.
_RECORDS = re.compile(r"PARSE_JSON\('(\[\{\"RUN_ID.*)'\)\)\)$", re.S)
_ROWS = re.compile(r"(INSERT INTO \S+SNOWPIPE_ML\.EVENTS .*?\) VALUES )\(.*", re.S)
_TEMPORARY = re.compile(r"file:///[^']*/([^/']+)'")


def _summary(literal: str) -> str:
    records = json.loads(literal.replace("''", "'").replace("\\\\", "\\"))
    parts = [
        " ".join(str(record[key]) for key in ("EVENT", "STEP", "STATUS") if key in record)
        for record in records
    ]
    return "; ".join(parts)


def _summary_of_rows(text: str) -> str:
    insert = sqlglot.parse_one(text, dialect="snowflake")
    names = [column.name for column in insert.this.expressions]
    kept = [names.index(name) for name in ("EVENT", "STEP", "STATUS")]
    rows = [[row.expressions[index] for index in kept] for row in insert.expression.expressions]
    shown = [", ".join(value.sql() for value in row if value.is_string) for row in rows]
    return ", ".join(f"({row})" for row in shown)


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
        found = []
        for text in self.statements:
            text = stamp.sub("'AT'::TIMESTAMP_NTZ", text)
            for old, new in replace:
                text = text.replace(old, new)
            text = _TEMPORARY.sub(r"file:///FOLDER/\1'", text)
            text = re.sub(r"(?<=[./])[0-9a-f]{16}(?=[./'])", "DIGEST", text)
            text = re.sub(r"'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'", "'QUERY_ID'", text)
            text = _RECORDS.sub(lambda match: f"PARSE_JSON('{_summary(match[1])}')))", text)
            text = _ROWS.sub(lambda match: match[1] + _summary_of_rows(match[0]), text)
            # The days are from the holidays library and change with its version.
            text = re.sub(r"(?<=AS HOLIDAY FROM VALUES ).*", "('DAY', 'NAME')", text)
            text = re.sub(r"'[^']*@[^']*, process \d+'", "'OWNER'", text)
            found.append(text.strip())
        return found
