"""The rows of the table EVENTS of the state store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypedDict, Unpack

from snowpipe_ml.engine.events import RunStarted, Status
from snowpipe_ml.text.redaction import redact, redact_all, redact_name
from snowpipe_ml.version import __version__

COLUMNS = (
    *("RUN_ID", "PIPELINE", "TARGET", "EVENT", "AT", "STEP", "STATUS"),
    *("ROW_COUNT", "SECONDS", "MESSAGE", "ERROR", "DETAILS", "WRITTEN_BY"),
)


# Names by which later runs find what they look for. A secret that is a word can be one of them by chance.
_NAMES = frozenset({"RUN_ID", "PIPELINE", "TARGET", "EVENT", "STEP", "STATUS"})
_NAMES_IN_DETAILS = frozenset({"inputs", "outputs", "writes", "blamed"})


class Values(TypedDict, total=False):
    """The columns of an event that not every event has."""

    step: str
    status: Status
    rows: int | None
    seconds: float | None
    message: str
    error: str | None
    details: Mapping[str, object]


def row_of(run: RunStarted, event: str, **values: Unpack[Values]) -> dict[str, object]:
    """Return the row of an event of a run, by the name of the column, without secrets."""
    seconds = values.get("seconds")
    status = values.get("status")
    row = {
        "RUN_ID": run.run_id,
        "PIPELINE": run.pipeline,
        "TARGET": run.target,
        "EVENT": event,
        "AT": datetime.now(UTC).replace(tzinfo=None),
        "STEP": values.get("step"),
        "STATUS": None if status is None else status.value,
        "ROW_COUNT": values.get("rows"),
        "SECONDS": None if seconds is None else round(seconds, 3),
        "MESSAGE": values.get("message"),
        "ERROR": values.get("error"),
        "WRITTEN_BY": f"snowpipe-ml {__version__}",
    }
    details = _redacted(values.get("details") or {}, _NAMES_IN_DETAILS)
    kept = {**_redacted(row, _NAMES), "DETAILS": json.dumps(details)}
    return {name: value for name, value in kept.items() if value is not None}


def _redacted(values: Mapping[str, object], names: frozenset[str]) -> dict[str, object]:
    return {
        redact(key): redact_all(value, redact_name if key in names else redact)
        for key, value in values.items()
    }


def values_of(row: Mapping[str, object]) -> list[object]:
    """Return the values of a row in the order of the columns."""
    return [row.get(name) for name in COLUMNS]
