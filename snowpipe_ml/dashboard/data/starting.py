"""Runs that the dashboard starts: separate processes, followed by their events."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.engine.plan.task_limits import prefix_of
from snowpipe_ml.engine.retry import DOES_NOT_EXIST, number_of
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins.connection import execute
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, sql

_KEPT = 20  # files of events, of the last runs that were started here


@dataclass(frozen=True)
class Wanted:
    """A run that was asked for.

    Attributes:
        variables: the variables that differ from the spec.
        run_date: the run date; today if None.
        select: the selected steps, in the grammar of ``--select``; all if empty.
        full_refresh: whether to run every step, changed or not.
    """

    variables: Mapping[str, object] = field(default_factory=dict)
    run_date: date | None = None
    select: tuple[str, ...] = ()
    full_refresh: bool = False

    def arguments(self) -> list[str]:
        """Return the arguments of ``snowpipe-ml run`` after the spec."""
        found = []
        for name, value in self.variables.items():
            found += ["--var", f"{name}={json.dumps(value, default=str)}"]
        if self.run_date is not None:
            found += ["--run-date", self.run_date.isoformat()]
        for steps in self.select:
            found += ["--select", steps]
        return [*found, *(["--full-refresh"] if self.full_refresh else [])]


@dataclass
class StepState:
    """A step of a run that is followed."""

    name: str
    state: str = "waiting"
    seconds: float | None = None
    rows: int | None = None
    message: str = ""
    since: datetime | None = None


@dataclass
class Progress:
    """The progress of a run, from its events.

    Attributes:
        run_id: the run; None before it has started.
        steps: its steps in order.
        status: how it ended; None while it runs.
        seconds: how long it took.
    """

    run_id: str | None = None
    steps: dict[str, StepState] = field(default_factory=dict)
    status: str | None = None
    seconds: float | None = None

    def add(self, event: Mapping[str, object]) -> None:
        """Take an event, as :class:`snowpipe_ml.ui.jsonlines.JsonLines` writes it."""
        kind, at = event["event"], datetime.fromisoformat(str(event["at"]))
        if kind == "run_started":
            self.run_id = str(event["run_id"])
            names = event["steps"]
            assert isinstance(names, list)
            self.steps = {name: StepState(name) for name in names}
        elif kind == "run_finished":
            self.status, self.seconds = str(event["status"]), float(str(event["seconds"]))
        elif "step" in event:
            step = self.steps.setdefault(str(event["step"]), StepState(str(event["step"])))
            if kind == "step_started":
                step.state, step.since = "running", at
            elif kind == "step_progress":
                total = event.get("total")
                step.message = f"{event['done']}{f' of {total}' if total else ''} {event['note']}".rstrip()
            elif kind == "step_retried":
                step.message = f"retry {event['attempt']} after: {event['message']}"
            elif kind == "step_finished":
                step.state = str(event["status"])
                step.seconds = float(str(event["seconds"]))
                rows = event["rows"]
                step.rows = int(str(rows)) if rows is not None else None
                step.message = str(event["message"])

    @property
    def done(self) -> int:
        """The number of steps that have ended."""
        return sum(step.state not in ("waiting", "running") for step in self.steps.values())


class StartedRun:
    """A run in a separate process. It goes on if the dashboard ends.

    Args:
        source: the pipeline.
        wanted: the run.
    """

    def __init__(self, source: Source, wanted: Wanted) -> None:
        folder = source.pipeline.base_dir / ".snowpipe" / "dashboard"
        folder.mkdir(parents=True, exist_ok=True)
        _forget(folder)
        stem = f"{datetime.now():%Y%m%dT%H%M%S}-{os.getpid()}-{time.monotonic_ns() % 10**6}"
        self.wanted = wanted
        self.events, self.errors = folder / f"{stem}.jsonl", folder / f"{stem}.log"
        given = {**source.pipeline.variables, **wanted.variables}
        arguments = Wanted(given, wanted.run_date, wanted.select, wanted.full_refresh).arguments()
        spec = str(source.spec.path.resolve())
        self.command = ["run", spec, "--target", source.spec.target_name, *arguments]
        # The run should be what has the warehouse open: then it does not depend on this process.
        source.reader.close()
        with self.events.open("wb") as out, self.errors.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "snowpipe_ml", *self.command, "--json"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # Ctrl-C in the terminal of the dashboard does not reach it
            )

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process; None while it runs."""
        return self._process.poll()

    def progress(self) -> Progress:
        """Return the progress by now."""
        found = Progress()
        for line in self.events.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):  # the last one may be half written
                found.add(json.loads(line))
        return found

    def said(self) -> str:
        """Return what the process has written besides its events, such as why it could not start."""
        return self.errors.read_text(encoding="utf-8", errors="replace").strip()

    def cancel(self) -> None:
        """Cancel the run as Ctrl-C does: running statements are canceled, and the run is recorded as failed."""
        if self.running:
            self._process.terminate()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process, and return its exit code."""
        return self._process.wait(timeout)


def start(source: Source, wanted: Wanted) -> StartedRun:
    """Start a run.

    Raises:
        UsageError: the spec does not permit it.
    """
    _require_permission(source)
    return StartedRun(source, wanted)


def start_tasks(source: Source, run_date: date | None) -> str:
    """Start the task graph of the pipeline, which `snowpipe-ml export tasks --deploy` has created.

    Args:
        source: the pipeline.
        run_date: the run date; today if None.

    Returns:
        The name of the root task.

    Raises:
        UsageError: the spec does not permit it, or there is no task graph.
    """
    _require_permission(source)
    target = source.spec.target
    root = QualifiedName((target.database, target.schema_, Identifier(prefix_of(source.spec))))
    config = json.dumps({"run_date": "" if run_date is None else run_date.isoformat()})
    statement = sql("EXECUTE TASK {root} USING CONFIG = {config}", root=root, config=Literal(config))
    try:
        source.reader.call(lambda connection: execute(connection, statement))
    except Exception as error:
        if number_of(error) not in DOES_NOT_EXIST:
            raise
        raise UsageError(
            f"there is no task {root.sql}, or the owner of the dashboard may not start it: deploy the graph with "
            f"snowpipe-ml export tasks {source.spec.path.name} --target {source.spec.target_name} --deploy"
        ) from error
    return root.sql


def _require_permission(source: Source) -> None:
    if not source.spec.pipeline.dashboard.can_run:
        raise UsageError("the spec does not permit runs from the dashboard: set dashboard: {can_run: true}")


def _forget(folder: Path) -> None:
    """Remove the files of older runs."""
    files = sorted(folder.glob("*.jsonl"))
    for path in files[:-_KEPT]:
        path.unlink(missing_ok=True)
        path.with_suffix(".log").unlink(missing_ok=True)
