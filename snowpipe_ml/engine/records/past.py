"""A past run, read from its records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from snowpipe_ml.engine.events import Status
from snowpipe_ml.plugins import RunInfo
from snowpipe_ml.plugins.connection import Row


@dataclass(frozen=True)
class PastRun:
    """A past run, as recorded in the state store.

    Attributes:
        run: the identity of the run.
        status: how it ended; None if it was killed or still runs.
        variables: the variables that were given for the run, in addition to those of the spec.
        details: all that was recorded when it was started or last resumed.
        since: when that was; UTC.
    """

    run: RunInfo
    status: Status | None
    variables: Mapping[str, object]
    details: Mapping[str, Any] = field(default_factory=dict)
    since: datetime | None = None


def past_run_of(rows: Sequence[Row]) -> PastRun:
    """Return the run that has these records, in order, of its starts and ends."""
    details = json.loads(rows[0]["DETAILS"])
    started, day = details.get("started_at"), details.get("run_date")
    at = datetime.fromisoformat(started) if started else rows[0]["AT"].replace(tzinfo=UTC)
    name = str(rows[0]["RUN_ID"])
    status: Status | None = None
    for row in rows:
        if row["EVENT"] in ("run_started", "run_resumed"):
            status = None
        elif row["EVENT"] == "run_finished":
            # The first one: the process of a canceled run records its end too.
            status = status or Status(row["STATUS"])
    last = [row for row in rows if row["EVENT"] in ("run_started", "run_resumed")][-1]
    begun = json.loads(last["DETAILS"])
    return PastRun(
        RunInfo(name, at, f"MODEL_{name.partition('-')[0]}", date.fromisoformat(day) if day else at.date()),
        status,
        begun.get("variables", {}),
        begun,
        last["AT"].replace(tzinfo=UTC),
    )
