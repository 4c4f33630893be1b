"""The intervals that backfills have computed of each step, from the records.

An interval counts as done as long as the step has the settings and the code with which it was computed, and its table
was not created again. The record of an interval is written after its rows were committed: a run that is killed between
the two computes the interval again, which replaces its rows by the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from snowpipe_ml.plugins.connection import Row
from snowpipe_ml.plugins.intervals import Interval, union

STARTED, FINISHED = "backfill_started", "interval_finished"
"""The events: the first has the range that is asked for, the second an interval of it."""


@dataclass(frozen=True)
class Coverage:
    """The intervals of a step.

    Attributes:
        asked: the ranges of all backfills.
        done: the intervals that are done.
        code: the digest of the settings and the code with which they were computed.
    """

    asked: tuple[Interval, ...] = ()
    done: tuple[Interval, ...] = ()
    code: str | None = None

    @property
    def gaps(self) -> tuple[Interval, ...]:
        """The intervals that are not done, between the first and the last time that backfills have asked for."""
        ranges = union((*self.asked, *self.done))
        if not ranges:
            return ()
        return tuple(Interval(ranges[0].start, ranges[-1].end).without(self.done))

    def started(self, over: Interval, code: str, *, fresh: bool, again: bool) -> Coverage:
        """Return it after the start of a backfill.

        Args:
            over: the range of the backfill.
            code: the digest of the settings and the code of the step.
            fresh: whether the table does not exist.
            again: whether intervals that are done are computed again.
        """
        asked = () if fresh else self.asked
        done = self.done if code == self.code and not fresh else ()
        if again:
            done = tuple(part for one in done for part in one.without([over]))
        return Coverage(union((*asked, over)), done, code)

    def finished(self, interval: Interval, code: str) -> Coverage:
        """Return it after an interval was computed."""
        return Coverage(
            self.asked, union((*self.done, interval)) if code == self.code else self.done, self.code
        )


def coverage_of(rows: Iterable[Row]) -> dict[str, Coverage]:
    """Return the intervals by step, from the records of both events in order."""
    found: dict[str, Coverage] = {}
    for row in rows:
        details: dict[str, Any] = json.loads(row["DETAILS"])
        interval = Interval(datetime.fromisoformat(details["start"]), datetime.fromisoformat(details["end"]))
        before = found.get(row["STEP"], Coverage())
        found[row["STEP"]] = (
            before.started(interval, details["code"], fresh=details["fresh"], again=details["again"])
            if row["EVENT"] == STARTED
            else before.finished(interval, details["code"])
        )
    return found


def details_of(interval: Interval, code: str) -> dict[str, object]:
    """Return the details of a record."""
    return {"start": interval.start.isoformat(), "end": interval.end.isoformat(), "code": code}
