"""The end of a run whose steps are run one by one."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from snowpipe_ml.engine.events import Listener, RunFinished, Status, StepFinished
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.tasks import task_names
from snowpipe_ml.engine.run.handle import RunHandle
from snowpipe_ml.engine.run.hooks import run_hooks
from snowpipe_ml.engine.run.joined import Joined, joined, joined_as, unfinished
from snowpipe_ml.engine.run.opened import Access, OpenRun, opened
from snowpipe_ml.engine.run.outcome import RunResult, StepOutcome, ended, recorded_outcome, skipped
from snowpipe_ml.engine.run.run import new_run
from snowpipe_ml.engine.run.source import Source
from snowpipe_ml.engine.run.task_runs import cancel_tasks
from snowpipe_ml.engine.run.tidying import tidy
from snowpipe_ml.errors import UsageError
from snowpipe_ml.text.problems import did_you_mean

_CANCELS = 10.0  # seconds that canceled steps may take to record their end


def finish(source: Source, handle: RunHandle, access: Access, listeners: Iterable[Listener]) -> RunResult:
    """Record how a run ended, and release its lock; see :meth:`snowpipe_ml.Pipeline.finish_run`."""
    with joined(source, handle, access) as part:
        return _finished(part, listeners, "it was not started")


def finish_when_done(
    source: Source,
    handle: RunHandle,
    access: Access,
    listeners: Iterable[Listener],
    gates: Mapping[str, Collection[str]],
) -> RunResult | None:
    """Finish a run if nothing is left to run; see :meth:`snowpipe_ml.Pipeline.finish_when_done`."""
    with joined(source, handle, access) as part:
        ends = _ends(part)
        left: set[str] = set()  # the nodes that have not ended and never will
        shut = {name for gate in gates if gate in ends and not ends[gate].status.good for name in gates[gate]}
        for name, task in task_names(part.graph).items():
            if name in ends:
                continue
            needs = part.graph.needs(name)
            if task not in shut and not any(
                need in left or (need in ends and not ends[need].status.good) for need in needs
            ):
                return None
            left.add(name)
        return _finished(part, listeners, "it was not started")


def cancel(source: Source, handle: RunHandle, access: Access, listeners: Iterable[Listener]) -> RunResult:
    """Cancel what runs of a run, and finish it; see :meth:`snowpipe_ml.Pipeline.cancel`."""
    with joined(source, handle, access) as part:
        return _canceled(part, listeners)


def cancel_unfinished(
    source: Source, target: str | None, access: Access, listeners: Iterable[Listener], run_id: str | None
) -> RunResult | None:
    """Cancel the run that has not ended, or that has the lock; see :meth:`snowpipe_ml.Pipeline.cancel_run`."""
    with opened(source, target, new_run(), access) as at:
        lock = at.state.lock(*at.key, at.run.id)
        holder = lock.holder()
        past = at.state.past_run(*at.key, run_id or holder)
        if past is None:
            if run_id is not None:
                raise UsageError(_no_run(at, run_id))
            if holder is None:
                return None
            # Its process was killed after it had taken the lock, and before it had recorded the run.
            replace(lock, run_id=holder).release()
            at.state.end_leftovers(*at.key)
            return RunResult(replace(at.run, id=holder), Status.CANCELED, 0.0, {}, interrupted=True)
        if past.status is not None and past.run.id != holder:
            return None
        key = past.details.get("run_key")
        if key is not None:
            cancel_tasks(at.state.ask, str(key))
        token = replace(lock, run_id=past.run.id).current()
        return _canceled(joined_as(at, past, token or 0), listeners)


def _no_run(at: OpenRun, run_id: str) -> str:
    known = dict.fromkeys(str(row["RUN_ID"]) for row in at.state.events(*at.key, limit=100))
    hint = did_you_mean(run_id, known)
    return f"no run {run_id!r} of {at.key[0]} on {at.key[1]}" + (f"; {hint}" if hint else "")


def _canceled(part: Joined, listeners: Iterable[Listener]) -> RunResult:
    at = part.at
    failed = any(outcome.status is Status.FAILED for outcome in _ends(part).values())
    if part.past.status is None:
        # From now on no step publishes, whatever statement it is about to start.
        _release(part)
        deadline = time.monotonic() + _CANCELS
        while running := unfinished(at.state.step_events(at.run.id)):
            for session in running:
                at.state.cancel(session)
            if time.monotonic() > deadline:
                break  # the process of such a step was killed, and cannot record its end
            time.sleep(0.5)
        at.state.end_leftovers(*at.key)
    return _finished(part, listeners, "canceled", Status.FAILED if failed else Status.CANCELED)


def _release(part: Joined) -> None:
    lock = part.at.state.lock(*part.at.key, part.at.run.id)
    lock.token = part.token
    lock.release()


def _finished(
    part: Joined, listeners: Iterable[Listener], why: str, otherwise: Status = Status.FAILED
) -> RunResult:
    """Record the end of a run.

    Args:
        part: the run.
        listeners: called with the events of the end.
        why: why the steps that have not ended never ran.
        otherwise: how the run ended if a step did not end well.
    """
    interrupted = why == "canceled"
    at, graph = part.at, part.graph
    outcomes = _ends(part)
    seconds = (datetime.now(UTC) - (part.past.since or at.run.started_at)).total_seconds()
    if part.past.status is not None:  # a retry of the task that finishes the run
        _release(part)  # the earlier try may have been killed just before it
        return RunResult(at.run, part.past.status, seconds, outcomes, interrupted)
    start = at.event(graph)
    listeners = tuple(listeners)
    for name in graph.nodes:
        if name not in outcomes:
            outcome = outcomes[name] = _never_ran(name, graph, outcomes, why)
            event = StepFinished(name, outcome.status, message=outcome.message, blamed=outcome.blamed)
            at.state.step_finished(start, event, {})
            for listener in listeners:
                listener(event)
    status = ended(outcomes.values())
    if status is not Status.SUCCESS:
        status = otherwise
    result = RunResult(at.run, status, seconds, outcomes, interrupted)
    finished = RunFinished(at.run.id, result.status, seconds)
    at.state.finished(start, finished)
    for listener in listeners:
        listener(finished)
    tidy(at, result)
    _release(part)
    run_hooks(at.spec, result, at.connection)
    return result


def _ends(part: Joined) -> dict[str, StepOutcome]:
    rows = [row for row in part.at.state.step_events(part.at.run.id) if row["EVENT"] == "step_finished"]
    return {row["STEP"]: recorded_outcome(row) for row in rows if row["STEP"] in part.graph.nodes}


def _never_ran(name: str, graph: Graph, outcomes: Mapping[str, StepOutcome], why: str) -> StepOutcome:
    """The outcome of a node that no task has run: a node that it needs failed, or its task was not started."""
    for need in graph.needs(name):
        before = outcomes.get(need)
        if before is not None and before.status in (Status.FAILED, Status.SKIPPED):
            blamed = before.blamed or (need if before.status is Status.FAILED else None)
            if blamed is not None:
                return skipped(name, f"needs {blamed}", blamed)
    return skipped(name, why)
