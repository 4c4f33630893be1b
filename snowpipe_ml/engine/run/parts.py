"""A run whose steps are run one by one: by the tasks of an orchestrator, in any process.

All tasks share the run: its id, its model id, its fencing token and its records. Each decides when it starts
whether its step runs. What they need to know of each other is in the run metadata on the target.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from threading import Event

from snowpipe_ml.engine.events import Listener, Status
from snowpipe_ml.engine.plan.decisions import (
    Decision,
    Success,
    Turn,
    decide,
    has_data,
    has_outputs,
    named_by_run,
    refuse_destruction,
    require_extras,
    resources_of,
)
from snowpipe_ml.engine.plan.fingerprint import Fingerprint, fingerprints
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.tasks import task_names, tasks
from snowpipe_ml.engine.plan.versions import Versions
from snowpipe_ml.engine.records.past import PastRun
from snowpipe_ml.engine.records.state import Record
from snowpipe_ml.engine.run.ending import cancel
from snowpipe_ml.engine.run.handle import RunHandle
from snowpipe_ml.engine.run.interrupts import until_recorded
from snowpipe_ml.engine.run.joined import Joined, joined, selected, unfinished
from snowpipe_ml.engine.run.opened import Access, Decided, OpenRun, opened
from snowpipe_ml.engine.run.outcome import (
    StepOutcome,
    together,
)
from snowpipe_ml.engine.run.run import new_run
from snowpipe_ml.engine.run.source import Source, recorded
from snowpipe_ml.engine.run.whole import What, check_date, past_with_key
from snowpipe_ml.errors import LockedError, UsageError
from snowpipe_ml.text.problems import did_you_mean

log = logging.getLogger("snowpipe_ml.engine")

LASTS = timedelta(hours=6)
"""For how long a run holds its lock while no task of it runs."""

_BEGINS = 60.0  # seconds that another process may take to begin the same run


def begin(
    source: Source,
    target: str | None,
    access: Access,
    what: What,
    lasts: timedelta,
    is_over: Callable[[str], bool] | None,
    *,
    resume_canceled: bool = True,
) -> RunHandle:
    """Begin a run, or continue the one that has the same key; see :meth:`snowpipe_ml.Pipeline.begin_run`."""
    seconds = max(1, int(lasts.total_seconds()))
    with opened(source, target, new_run(what.run_date), access) as at:
        at.state.prepare()
        deadline = time.monotonic() + _BEGINS
        ended: set[str] = set()
        while True:
            try:
                return _begun(at, what, seconds, resume_canceled)
            except LockedError as error:
                key = error.run_key
                if key is not None and key == what.run_key and time.monotonic() <= deadline:
                    time.sleep(0.2)  # another process is beginning the same run: its record follows
                    continue
                if key is None or key in ended or is_over is None or not is_over(key):
                    raise
                ended.add(key)
                left = find(source, target, access, key)
                if left is None:
                    raise
                log.warning("the run %s (%s) was never finished: it is canceled", left.run_id, key)
                cancel(source, left, access, ())


def _begun(at: OpenRun, what: What, lasts: int, resume_canceled: bool) -> RunHandle:
    past = past_with_key(at, what) if what.run_key is not None else None
    check_date(past, what)
    if past is not None and past.status is Status.CANCELED and not resume_canceled:
        raise UsageError(f"the run {past.run.id} was canceled: start another one")
    if past is not None:
        at.reload(past, past.details.get("rows"))
        lock = at.state.lock(*at.key, past.run.id, lasts=lasts, run_key=what.run_key)
        token = lock.current()
        if token is not None and past.status is None:
            lock.join(token)
            return _handle(at, selected(at, past), token, what.run_key)
    else:
        at.reload()
    lock = at.state.lock(*at.key, at.run.id, run_key=what.run_key)
    lock.take()
    try:
        decided = at.decided(what.select, what.exclude, full_refresh=what.full_refresh)
        if at.spec.target.guards_tables and past is None and not what.allow_destructive:
            refuse_destruction(decided.decisions)
        graph = decided.graph
        details = {
            **recorded(at.spec, graph, at.run, at.variables),
            "run_key": what.run_key,
            "steps": list(graph.nodes),
            "whole": len(graph.nodes) == len(at.graph.nodes),
            "full_refresh": what.full_refresh,
            "lasts": lasts,
            "rows": at.rows.to_json(),
        }
        at.state.started(at.event(graph, resumed=past is not None), details)
        at.state.flush()
        lock.hand_over(lasts)
    except BaseException:
        lock.release()
        raise
    assert lock.token is not None
    return _handle(at, graph, lock.token, what.run_key)


def find(source: Source, target: str | None, access: Access, run_key: str) -> RunHandle | None:
    """Return the handle of a run; see :meth:`snowpipe_ml.Pipeline.find_run`."""
    what = What(run_key=run_key)
    with opened(source, target, new_run(None), access) as at:
        past = past_with_key(at, what)
        if past is None:
            return None
        at.reload(past, past.details.get("rows"))
        lock = at.state.lock(*at.key, past.run.id, run_key=run_key)
        return _handle(at, selected(at, past), lock.current() or 0, run_key)


def _handle(at: OpenRun, graph: Graph, token: int, run_key: str | None) -> RunHandle:
    return RunHandle(
        run_id=at.run.id,
        pipeline=at.key[0],
        target=at.key[1],
        token=token,
        run_date=at.run.date,
        model_id=at.run.model_id,
        started_at=at.run.started_at,
        run_key=run_key,
        tasks=tuple(task.name for task in tasks(graph, at.ctx, at.spec.fanned)),
        groups={
            name: tuple(node for node in nodes if node in graph.nodes)
            for name, nodes in at.spec.fanned.items()
            if any(node in graph.nodes for node in nodes)
        },
    )


def run_part(
    source: Source,
    handle: RunHandle,
    name: str,
    access: Access,
    *,
    listeners: Iterable[Listener],
    cancel: Event | None,
    threads: int,
    retries: int | None,
) -> StepOutcome:
    """Run one task of a run; see :meth:`snowpipe_ml.Pipeline.run_step`."""
    with until_recorded(cancel) as cancel, joined(source, handle, access) as part:
        at = part.at
        lock = at.state.lock(*at.key, handle.run_id, lasts=_lasts(part.past), run_key=handle.run_key)
        lock.join(handle.token)
        nodes = _nodes_of(part.graph, name)
        _note_changes(part)
        above = {need for node in nodes for need in part.graph.needs(node)} - set(nodes)
        events = at.state.step_events(handle.run_id, {*nodes, *above})
        ends = {row["STEP"]: row for row in events if row["EVENT"] == "step_finished"}
        _require(above - set(ends), part, name)
        _cancel_left(at, events, nodes)
        decided = _at_turn(part, nodes, ends)
        require_extras(decided.graph, decided.decisions)
        runner = at.runner(decided, lock, threads=threads, listeners=listeners)
        failed = _after_failures(part.graph, decided.graph, ends)
        runner.skipped = {name: need for name, need in failed.items() if name not in runner.omitted}
        runner.reused = {name: known for name, known in runner.reused.items() if name not in runner.skipped}
        runner.stop, runner.retries, runner.announced = cancel, retries, not at.sessions.shared
        outcomes = runner.execute_part()
    if name in outcomes and len(outcomes) == 1:
        return outcomes[name]
    return together(name, [outcomes[node] for node in decided.graph.nodes])


def _lasts(past: PastRun) -> int:
    return int(past.details.get("lasts") or 900)


def _nodes_of(graph: Graph, name: str) -> list[str]:
    """The nodes of a task, or the one node that has the name.

    Raises:
        UsageError: the run has no such task.
    """
    of_tasks = task_names(graph)
    nodes = [node for node, task in of_tasks.items() if task == name]
    if not nodes and name in graph.nodes:
        nodes = [name]
    if not nodes:
        known = list(dict.fromkeys(of_tasks.values()))
        hint = did_you_mean(name, known)
        raise UsageError(
            f"the run has no step {name!r}" + (f"; {hint}" if hint else f"; it has: {', '.join(known)}")
        )
    return nodes


def _require(missing: Collection[str], part: Joined, name: str) -> None:
    """Refuse a task whose turn has not come.

    Raises:
        UsageError: a node that it needs has not ended in this run.
    """
    if missing:
        names = task_names(part.graph)
        first = ", ".join(sorted({names[node] for node in missing}))
        raise UsageError(
            f"{name} needs {first}, which has not ended in the run {part.at.run.id}: run it first"
        )


def _note_changes(part: Joined) -> None:
    """Record the spec if it is not the one that the run was begun or last continued with."""
    at = part.at
    now = recorded(at.spec, part.graph, at.run, at.variables)
    if now["sha256"] == part.past.details.get("sha256"):
        return
    details = {**part.past.details, **now, "steps": list(part.graph.nodes)}
    at.state.started(at.event(part.graph, resumed=True), details)
    at.state.flush()


def _cancel_left(at: OpenRun, events: Iterable[Record], nodes: Collection[str]) -> None:
    """Cancel what an earlier try of the nodes left running when its process was killed."""
    for session in unfinished(events, nodes):
        at.state.cancel(session)


def _at_turn(part: Joined, nodes: Collection[str], ends: Mapping[str, Record]) -> Decided:
    """Decide on the nodes of a task, when all that they need has ended."""
    at, graph = part.at, part.graph
    prints = fingerprints(at.graph, at.ctx, at.run)
    past = at.state.successes(*at.key, nodes)
    decisions = _decide(part, nodes, prints, past, ends)
    new = [
        name for name, made in decisions.items() if made.skips and named_by_run(graph.nodes[name], past[name])
    ]
    if new:
        # Its output does not exist yet under this run's name: it must run if a node that reads it will.
        later = set(nodes).union(*(graph.dependents(name) for name in new))
        rows = at.state.step_events(at.run.id)
        ends = {row["STEP"]: row for row in rows if row["EVENT"] == "step_finished"}
        wide = later | {name for name in graph.ancestors(later) if name not in ends}
        past = at.state.successes(*at.key, wide)
        decisions = _decide(part, wide, prints, past, ends)
    return Decided(graph.part(nodes), prints, {name: decisions[name] for name in nodes}, past)


def _decide(
    part: Joined,
    nodes: Collection[str],
    prints: Mapping[str, Fingerprint],
    past: Mapping[str, Success],
    ends: Mapping[str, Record],
) -> Mapping[str, Decision]:
    at, graph = part.at, part.graph
    omitted_steps = [
        name for name, row in ends.items() if row["STATUS"] == Status.OMITTED and name not in nodes
    ]
    wanted = resources_of(graph, past, nodes)
    wanted += [resource for name in omitted_steps for resource in graph.nodes[name].writes]
    now = Versions(at.connection, at.state.sleep, tag=at.state.tag).of(wanted)
    absent = [name for name in omitted_steps if not has_outputs(graph.nodes[name], now)]
    ran: dict[str, str] = {}
    gone: dict[str, str] = {}
    for name in nodes:
        own = past.get(name)
        since = own.at if own is not None and own.run_id == at.run.id else None
        for need in graph.needs(name):
            if need in absent:
                gone.setdefault(name, f"needs {need}, which is omitted")
            row = ends.get(need)
            if row is None or row["STATUS"] != Status.SUCCESS or not has_data(graph.nodes[need]):
                continue
            if need not in nodes and (since is None or since < row["AT"]):
                ran.setdefault(name, f"{need} runs")
    # Any table that exists was written by this run or found by the check when it was begun.
    written = {str(resource.name) for resource in wanted}
    refresh = bool(part.past.details.get("full_refresh"))
    at.ctx = replace(at.ctx, full_refresh=refresh)
    made = decide(
        graph, at.ctx, prints, past, now, refresh=refresh, written=written, turn=Turn(nodes, ran, gone)
    )
    if not refresh:
        return made
    done = {name for name, known in past.items() if known.run_id == at.run.id}
    plain = decide(graph, at.ctx, prints, past, now, written=written, turn=Turn(nodes, ran, gone))
    return {name: plain[name] if name in done else made[name] for name in nodes}


def _after_failures(graph: Graph, part: Graph, ends: Mapping[str, Record]) -> dict[str, str]:
    """The nodes that cannot run since a node that they need failed in this run, each with the one to blame."""
    found: dict[str, str] = {}
    for name in part.nodes:
        for need in graph.needs(name):
            if need in found:
                found[name] = found[need]
            elif need not in part.nodes and ends[need]["STATUS"] in (Status.FAILED, Status.SKIPPED):
                found[name] = str(ends[need]["DETAILS"].get("blamed") or need)
    return found
