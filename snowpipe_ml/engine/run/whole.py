"""A whole run in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from threading import Event

from snowpipe_ml.engine.events import Listener, Status
from snowpipe_ml.engine.plan.decisions import refuse_destruction, require_extras
from snowpipe_ml.engine.records.glance import Glance
from snowpipe_ml.engine.records.history import History
from snowpipe_ml.engine.records.past import PastRun
from snowpipe_ml.engine.run.backfill import Backfill
from snowpipe_ml.engine.run.hooks import run_hooks
from snowpipe_ml.engine.run.interrupts import until_recorded
from snowpipe_ml.engine.run.opened import Access, Decided, OpenRun, opened
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.engine.run.run import new_run
from snowpipe_ml.engine.run.source import Source, recorded
from snowpipe_ml.engine.run.tidying import tidy
from snowpipe_ml.errors import UsageError

Ended = Callable[[History, RunResult], None]
"""Called with the history of a pipeline on its target when a run has ended, before the target is closed."""


@dataclass(frozen=True)
class What:
    """The options of a run: the arguments of :meth:`snowpipe_ml.Pipeline.run` and of ``begin_run``."""

    run_date: date | None = None
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    full_refresh: bool = False
    allow_destructive: bool = False
    run_key: str | None = None
    backfill: Backfill | None = None


def run_whole(
    source: Source,
    target: str | None,
    access: Access,
    what: What,
    *,
    listeners: Iterable[Listener],
    threads: int,
    resume: str | bool,
    fail_fast: bool,
    stop: Event | None,
    ended: Ended | None = None,
) -> RunResult:
    """Run all steps that have changed; see :meth:`snowpipe_ml.Pipeline.run`."""
    with until_recorded(stop) as stop, opened(source, target, new_run(what.run_date), access) as at:
        past = past_with_key(at, what) if what.run_key is not None else None
        if resume and past is None:
            past = _resumed(at, resume)
        check_date(past, what)
        what = replace(what, backfill=_backfill(past, what))
        at.reload(past)
        early = _early(at, what) if past is None and what.run_key is None else None
        if early is not None and early.decided.quiet:
            runner = at.runner(early.decided, None, threads=threads, listeners=listeners)
            runner.stop = stop
            result = runner.execute({})
            run_hooks(at.spec, result, at.connection)
            return result
        new = early is None and at.state.prepare()
        lock = replace(at.state.lock(*at.key, at.run.id), new=new)
        with lock.held():
            if early is not None and lock.token == early.token + 1:  # no other run has begun since
                decided = early.decided
            else:
                seen = Glance() if new and lock.token == 1 else None  # no run has recorded anything
                decided = at.decided(
                    what.select,
                    what.exclude,
                    full_refresh=what.full_refresh,
                    seen=seen,
                    backfill=what.backfill,
                )
            guarded = at.spec.target.guards_tables and at.spec.environment is None  # a clone may be replaced
            if guarded and past is None and not what.allow_destructive:
                refuse_destruction(decided.decisions)
            require_extras(decided.graph, decided.decisions)
            runner = at.runner(
                decided,
                lock,
                threads=threads,
                listeners=listeners,
                resumed=past is not None,
                fail_fast=fail_fast,
            )
            runner.stop = stop
            details = recorded(at.spec, decided.graph, at.run, at.variables)
            if what.run_key is not None:
                details["run_key"] = what.run_key
            if what.backfill is not None:
                details["backfill"] = what.backfill.to_json()
            if len(decided.graph.nodes) < len(at.graph.nodes):
                details |= {"whole": False, "steps": list(decided.graph.nodes)}
            result = runner.execute(details)
            if not runner.lost:  # another run may use what would be removed
                tidy(at, result)
        run_hooks(at.spec, result, at.connection)
        if ended is not None:
            ended(History(at.state, *at.key), result)
    return result


def run_unrecorded(source: Source, target: str | None, what: What, *, threads: int) -> RunResult:
    """Run steps where nothing else runs and nothing has run before: without records, a lock and hooks.

    Raises:
        SpecError: the spec is invalid.
        UsageError: nothing is selected.
        TargetError: the target cannot be reached.
    """
    with until_recorded(None) as stop, opened(source, target, new_run(what.run_date), Access()) as at:
        at.reload()
        decided = at.decided(what.select, what.exclude, full_refresh=what.full_refresh, seen=Glance())
        require_extras(decided.graph, decided.decisions)
        runner = at.runner(decided, None, threads=threads)
        runner.stop = stop
        return runner.execute({})


@dataclass(frozen=True)
class _Early:
    """A decision that was made before the lock was taken.

    Attributes:
        decided: the decision.
        token: the fencing token of the last run before it.
    """

    decided: Decided
    token: int


def _early(at: OpenRun, what: What) -> _Early | None:
    """Decide without the lock and without a write; None if there are no records, or another run holds the lock."""
    seen = at.state.glance(*at.key)
    if seen is None or seen.held:
        return None
    decided = at.decided(
        what.select, what.exclude, full_refresh=what.full_refresh, seen=seen, backfill=what.backfill
    )
    return _Early(decided, seen.token)


def past_with_key(at: OpenRun, what: What) -> PastRun | None:
    """Return the run that was begun with the key; None if there is none yet."""
    assert what.run_key is not None
    found = at.state.run_with_key(*at.key, what.run_key)
    return None if found is None else at.state.past_run(*at.key, found)


def check_date(past: PastRun | None, what: What) -> None:
    """Check that a run which is resumed is for the same date.

    Raises:
        UsageError: it is for another one.
    """
    if past is not None and what.run_date is not None and what.run_date != past.run.date:
        raise UsageError(
            f"the run {past.run.id} has the run date {past.run.date}: it cannot be resumed for {what.run_date}"
        )


def _backfill(past: PastRun | None, what: What) -> Backfill | None:
    """Return the backfill of a run; that of the run which is resumed, if there is one.

    Raises:
        UsageError: the resumed run is for another one.
    """
    if past is None:
        return what.backfill
    kept = Backfill.recorded(past.details)
    if what.backfill not in (None, kept):
        actual = "is not a backfill" if kept is None else f"is a backfill of {kept}"
        raise UsageError(f"the run {past.run.id} {actual}: it cannot be resumed for {what.backfill}")
    return kept


def _resumed(at: OpenRun, resume: str | bool) -> PastRun:
    """The run to resume."""
    name = resume if isinstance(resume, str) else None
    past = at.state.past_run(*at.key, name)
    if past is None:
        which = f"no run {name!r}" if name else "no run"
        raise UsageError(f"{which} of {at.key[0]} on {at.key[1]}: there is nothing to resume")
    if past.status is Status.SUCCESS:
        raise UsageError(f"the run {past.run.id} succeeded: there is nothing to resume")
    return past
