"""Recording of the SQL that Snowflake would receive, at the embedded connection before it is rewritten."""

from __future__ import annotations

import re
from typing import Any

from snowpipe_ml.engine.run.outcome import RunResult

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
        found = []
        for text in self.statements:
            text = stamp.sub("'AT'::TIMESTAMP_NTZ", text)
            for old, new in replace:
                text = text.replace(old, new)
            text = _TEMPORARY.sub(r"file:///FOLDER/\1'", text)
            text = re.sub(r"(?<=[./])[0-9a-f]{16}(?=[./'])", "DIGEST", text)
            text = re.sub(r"'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'", "'QUERY_ID'", text)
            # The days are from the holidays library and change with its version.
            text = re.sub(r"(?<=AS HOLIDAY FROM VALUES ).*", "('DAY', 'NAME')", text)
            text = re.sub(r"'[^']*@[^']*, process \d+'", "'OWNER'", text)
            found.append(text.strip())
        return found
