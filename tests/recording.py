"""The SQL that Snowflake would get, recorded at the embedded connection before it is rewritten."""

from __future__ import annotations

import re
from typing import Any

from snowpipe_ml.engine.run import RunResult

_TEMPORARY = re.compile(r"file:///[^']*/([^/']+)'")


class Recorder:
    """Listens to a Session's statements."""

    def __init__(self, session: Any) -> None:
        self.statements: list[str] = []
        session.connection.listeners.append(self.statements.append)

    def normalized(self, result: RunResult) -> list[str]:
        """The statements without what differs from run to run."""
        stamp = re.compile(r"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.?\d*'::TIMESTAMP_NTZ")
        replace = [
            (result.run.id, "RUN_ID"), (result.run.model_id, "MODEL_ID_VALUE"),
            (result.run.model_id.replace("_", r"\\_"), "MODEL_ID_VALUE"),
            (result.run.started_at.date().isoformat(), "RUN_DATE"),
        ]  # fmt: skip
        found = []
        for text in self.statements:
            text = stamp.sub("'AT'::TIMESTAMP_NTZ", text)
            for old, new in replace:
                text = text.replace(old, new)
            text = _TEMPORARY.sub(r"file:///FOLDER/\1'", text)
            text = re.sub(r"(?<=[./])[0-9a-f]{16}(?=[./'])", "DIGEST", text)
            text = re.sub(r"'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'", "'QUERY_ID'", text)
            if ".EVENTS SELECT" in text:
                text = re.sub(r"\d+\.\d+", "0.0", text)
                text = re.sub(r"better for \d+", "better for N", text)
            # The days are the holidays library's, and change with its version.
            text = re.sub(r"(?<=AS HOLIDAY FROM VALUES ).*", "('DAY', 'NAME')", text)
            text = re.sub(r'"spec": "[^"]*"', '"spec": "SPEC"', text)
            text = re.sub(r'"started_at": "[^"]*"', '"started_at": "AT"', text)
            text = re.sub(r'"(fingerprint|code|outside)": "[0-9a-f]+"', r'"\1": "DIGEST"', text)
            text = re.sub(r'"settings": \{.*?\}, "code"', '"settings": {}, "code"', text)
            text = re.sub(
                r'", "(?:\d{16,}|[0-9a-f]{16}|(?:\d{4}-|RUN_DATE )[^"]*)", (null|\d+)\]', r'", "VERSION", \1]', text
            )
            text = re.sub(r', "text": ".*?(?<!\\\\)", "started_at"', ', "started_at"', text)
            text = re.sub(r"'[^']*@[^']*, process \d+'", "'OWNER'", text)
            text = re.sub(r'"sha256": "[0-9a-f]+"', '"sha256": "DIGEST"', text)
            found.append(text.strip())
        return found
