"""The events of a run as JSON lines, for other programs."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO

from snowpipe_ml.engine.events import Event
from snowpipe_ml.text.printable import json_text
from snowpipe_ml.text.redaction import redact_all

_WORDS = re.compile(r"(?<!^)(?=[A-Z])")


class JsonLines:
    """Listens to a run and writes each event as one JSON object per line.

    An object has ``event`` (``run_started``, ``step_finished``...), ``at``, and the fields of the event.

    Args:
        stream: the stream to write to; it is flushed after each line.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        """Write one event."""
        # The round trip through JSON turns errors into plain text, which is redacted afterwards.
        plain = json.loads(json.dumps(event_dict(event), default=_plain))
        self._stream.write(json_text(redact_all(plain)) + "\n")
        self._stream.flush()


def event_dict(event: Event) -> dict[str, object]:
    """Convert an event to a dict with its name, the current time and its fields."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    name = _WORDS.sub("_", type(event).__name__).lower()
    return {"event": name, "at": datetime.now(UTC), **fields}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, BaseException):
        return {"type": type(value).__name__, "message": str(value)}
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else str(value)
