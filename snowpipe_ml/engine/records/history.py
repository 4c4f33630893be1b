"""Queries on the run metadata of a target: runs, their steps, the difference of two runs, and lineage."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from snowpipe_ml.engine.plan.decisions import Details
from snowpipe_ml.engine.plan.versions import Version, Versions, from_json
from snowpipe_ml.engine.records.intervals import Coverage
from snowpipe_ml.engine.records.state import Record, State
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import Kind, Resource
from snowpipe_ml.plugins.results import ShownChart, ShownCheck, ShownPicture
from snowpipe_ml.sql import QualifiedName, StagePath
from snowpipe_ml.text.problems import did_you_mean


@dataclass(frozen=True)
class RunRecord:
    """A run. ``status`` is None if it was killed or still runs; ``steps`` counts the steps by status."""

    id: str
    started_at: datetime
    seconds: float | None
    status: str | None
    steps: Mapping[str, int]
    spec: str


@dataclass(frozen=True)
class StepRecord:
    """The result of a step in a run."""

    run_id: str
    step: str
    at: datetime
    status: str
    rows: int | None
    seconds: float | None
    message: str
    error: str | None
    details: Details = field(repr=False)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics that the step recorded."""
        return self.details.get("metrics") or {}

    @property
    def checks(self) -> list[ShownCheck]:
        """The checks of the step."""
        return self.details.get("checks") or []

    @property
    def charts(self) -> list[ShownChart]:
        """The charts of the step."""
        return self.details.get("charts") or []

    @property
    def pictures(self) -> list[ShownPicture]:
        """The images of the step."""
        return self.details.get("pictures") or []

    def versions(self, which: Literal["inputs", "outputs"]) -> dict[Resource, Version]:
        """Return the versions of the step's ``inputs`` or ``outputs``."""
        return from_json(self.details.get(which) or ())


@dataclass(frozen=True)
class Difference:
    """The difference between two runs.

    Attributes:
        spec: the lines of a unified diff of the specs as they were run.
        rows: (step, rows before, rows after).
        metrics: (step, metric, value before, value after).
    """

    spec: list[str]
    rows: list[tuple[str, int | None, int | None]]
    metrics: list[tuple[str, str, float | None, float | None]]


@dataclass(frozen=True)
class Origin:
    """The lineage of a table or stage.

    Attributes:
        by: the record of the step that wrote it; None if no recorded run did.
        as_left: whether it is unchanged since that step; None if it was not compared.
        of: the lineage of the inputs of that step.
    """

    name: str
    by: StepRecord | None
    rows: int | None = None
    as_left: bool | None = None
    of: tuple[Origin, ...] = ()


class History:
    """The run metadata of a pipeline on a target, queried on each call. Create it with :meth:`open`."""

    def __init__(self, state: State, pipeline: str, target: str) -> None:
        self.state = state
        self.pipeline = pipeline
        self.target = target

    def runs(self, limit: int = 20) -> list[RunRecord]:
        """Return the last runs, newest first."""
        found: dict[str, list[Record]] = {}
        for row in self.state.events(self.pipeline, self.target, limit=limit):
            found.setdefault(row["RUN_ID"], []).append(row)
        return [_run(name, found[name]) for name in sorted(found, reverse=True)]

    def last_run(self) -> list[Record]:
        """Return the step records of the last run; empty if there is none."""
        return self.state.last_run(self.pipeline)

    def intervals(self) -> dict[str, Coverage]:
        """Return the intervals that backfills have computed, by step."""
        return self.state.coverage(self.pipeline, self.target)

    def run(self, run_id: str | None = None) -> RunRecord:
        """Return a run, the last one if no id is given.

        Raises:
            UsageError: the run does not exist, or there is no run yet.
        """
        if run_id is None:
            last = self.runs(limit=1)
            if not last:
                raise UsageError(f"no run of {self.pipeline} on {self.target} yet")
            return last[0]
        return _run(run_id, self._rows_of(run_id))

    def metrics(self, run_id: str) -> list[tuple[str, str, list[tuple[datetime, float]]]]:
        """Return (step, metric, points) for each metric, with its values in all runs up to the given one.

        A point is the time at which the step ended, and the value.
        """
        records = [
            record
            for record in self._records(self.state.events(self.pipeline, self.target))
            if record.run_id <= run_id and record.status == "success"
        ]
        series: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
        for record in records:
            for name, value in record.metrics.items():
                series.setdefault((record.step, name), []).append((record.at, float(value)))
        return [(step, name, points) for (step, name), points in series.items()]

    def as_left(self, run_id: str, wanted: Collection[Resource]) -> set[Resource]:
        """Return the resources that are as they were after a run: their version is the recorded one.

        Args:
            run_id: the run.
            wanted: the resources to look at.
        """
        recorded: dict[Resource, Version] = {}
        for record in self.standing(run_id):
            if record.status == "success":
                recorded |= record.versions("outputs")
        now = Versions(self.state.connection, self.state.sleep).of(
            [resource for resource in wanted if resource in recorded]
        )
        return {resource for resource, version in now.items() if version.token == recorded[resource].token}

    def steps(self, run_id: str | None = None, step: str | None = None) -> list[StepRecord]:
        """Return the steps of a run in the order in which they ended; of the last run if no id is given.

        Raises:
            UsageError: the run does not exist, or has no such step.
        """
        if run_id is None:
            last = self.runs(limit=1)
            if not last:
                return []
            run_id = last[0].id
        records = {record.step: record for record in self._records(self._rows_of(run_id))}
        if step is not None and step not in records:
            hint = did_you_mean(step, records)
            raise UsageError(f"no step {step!r} in the run {run_id}" + (f"; {hint}" if hint else ""))
        return [record for name, record in records.items() if step in (None, name)]

    def difference(self, before: str, after: str) -> Difference:
        """Compare two runs; a step that was skipped is compared by its last success before.

        Raises:
            UsageError: a run does not exist.
        """
        runs = {name: self.run(name) for name in (before, after)}
        old, new = self._last_successes(before), self._last_successes(after)
        text = difflib.unified_diff(
            runs[before].spec.splitlines(), runs[after].spec.splitlines(), before, after, lineterm="", n=1
        )
        steps = sorted(old.keys() | new.keys())
        rows = [
            (name, old[name].rows if name in old else None, new[name].rows if name in new else None)
            for name in steps
        ]
        metrics = []
        for name in steps:
            values = [records[name].metrics if name in records else {} for records in (old, new)]
            for metric in sorted(values[0].keys() | values[1].keys()):
                metrics.append((name, metric, values[0].get(metric), values[1].get(metric)))
        return Difference(
            list(text),
            [row for row in rows if row[1] != row[2]],
            [line for line in metrics if line[2] != line[3]],
        )

    def lineage(self, table: str) -> Origin:
        """Trace the current table to the run and step that wrote it, and to their inputs, as far as recorded.

        Raises:
            UsageError: the text is not a valid table name.
        """
        try:
            name = QualifiedName.parse(table)
        except ValueError as error:
            raise UsageError(str(error)) from error
        records = [
            record
            for record in self._records(self.state.events(self.pipeline, self.target))
            if record.status == "success"
        ]
        wanted = Resource(Kind.TABLE, name)
        now = Versions(self.state.connection, self.state.sleep).of([wanted])
        return _origin(wanted, records, now.get(wanted))

    def _rows_of(self, run_id: str) -> list[Record]:
        rows = self.state.events(self.pipeline, self.target, run_id=run_id)
        if not rows:
            hint = did_you_mean(run_id, [run.id for run in self.runs(limit=100)])
            raise UsageError(
                f"no run {run_id!r} of {self.pipeline} on {self.target}" + (f"; {hint}" if hint else "")
            )
        return rows

    def standing(self, run_id: str) -> list[StepRecord]:
        """Return the results that were current after a run: each step's last record up to then."""
        records = self._records(self.state.events(self.pipeline, self.target))
        ran = [
            record for record in records if record.run_id <= run_id and record.status in ("success", "failed")
        ]
        return list({record.step: record for record in ran}.values())

    def _last_successes(self, run_id: str) -> dict[str, StepRecord]:
        """Step -> its last successful record, in this run or before."""
        records = self._records(self.state.events(self.pipeline, self.target))
        return {
            record.step: record
            for record in records
            if record.run_id <= run_id and record.status == "success"
        }

    @staticmethod
    def _records(rows: list[Record]) -> list[StepRecord]:
        return [
            StepRecord(
                row["RUN_ID"],
                row["STEP"],
                row["AT"],
                row["STATUS"],
                row["ROW_COUNT"],
                row["SECONDS"],
                row["MESSAGE"] or "",
                row["ERROR"],
                json.loads(row["DETAILS"] or "{}"),
            )
            for row in rows
            if row["EVENT"] == "step_finished"
        ]


def _run(name: str, rows: list[Record]) -> RunRecord:
    begins = [row for row in rows if row["EVENT"] in ("run_started", "run_resumed")]
    ends = [row for row in rows if row["EVENT"] == "run_finished" and row["AT"] >= begins[-1]["AT"]]
    last = {row["STEP"]: row["STATUS"] for row in rows if row["EVENT"] == "step_finished"}
    details = json.loads(begins[-1]["DETAILS"] or "{}")
    return RunRecord(
        name,
        begins[0]["AT"],
        ends[0]["SECONDS"] if ends else None,
        ends[0]["STATUS"] if ends else None,
        Counter(last.values()),
        details.get("text") or "",
    )


def _origin(wanted: Resource, records: list[StepRecord], now: Version | None) -> Origin:
    for index in range(len(records) - 1, -1, -1):
        record = records[index]
        outputs = record.versions("outputs")
        if made := _matching_output(outputs, wanted):
            earlier = records[:index]
            of = tuple(
                _origin(resource, earlier, None)
                for resource in record.versions("inputs")
                if resource.kind in (Kind.TABLE, Kind.STAGE) and resource != wanted
            )
            as_left = None if now is None else now.token == outputs[made].token
            return Origin(str(wanted.name), record, outputs[made].rows, as_left, of)
    return Origin(str(wanted.name), None, now.rows if now else None)


def _matching_output(outputs: Mapping[Resource, Version], wanted: Resource) -> Resource | None:
    """The output that is the resource, or an output on a stage whose location contains it or is inside it."""
    if wanted in outputs or not isinstance(wanted.name, StagePath):
        return wanted if wanted in outputs else None
    for output in outputs:
        if isinstance(output.name, StagePath) and wanted.name.overlaps(output.name):
            return output
    return None
