"""The runner of a graph: steps run in order and in parallel, and independent steps even after a failure."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from snowpipe_ml.engine.events import (
    Event,
    Listener,
    RunFinished,
    RunStarted,
    Status,
    StepFinished,
)
from snowpipe_ml.engine.plan.decisions import Success
from snowpipe_ml.engine.plan.fingerprint import Fingerprint
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.versions import Known
from snowpipe_ml.engine.records.lock import LASTS, LASTS_IN_CLIENT, RunLock
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.retry import was_canceled
from snowpipe_ml.engine.run.backfill import Filling
from snowpipe_ml.engine.run.budgets import Budgets
from snowpipe_ml.engine.run.interrupts import interrupts
from snowpipe_ml.engine.run.outcome import (
    RunResult,
    StepOutcome,
    ended,
    failed,
    omitted_because,
    skipped,
    unchanged,
)
from snowpipe_ml.engine.run.sessions import Sessions
from snowpipe_ml.engine.run.step import StepRunner
from snowpipe_ml.plugins import PlanContext, RunInfo, RunsIn
from snowpipe_ml.plugins.listings import Listings
from snowpipe_ml.spec.models import Tag
from snowpipe_ml.sql import Identifier, StagePath

log = logging.getLogger("snowpipe_ml.engine")

# How long records wait for others, in seconds: the longer the run is at work, the less is lost by doing a part again.
_SHORTEST_WAIT, _LONGEST_WAIT = 5.0, 60.0
_SHARE = 0.2


def new_run(run_date: date | None = None) -> RunInfo:
    """Create a run for a run date, today if None.

    Ids sort by time, to the millisecond, so the last run is the one with the greatest id.
    """
    now = datetime.now(UTC)
    stamp = f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}"
    return RunInfo(f"{stamp}-{secrets.token_hex(3)}", now, f"MODEL_{stamp}", run_date or now.date())


@dataclass
class Runner:
    """Runs one graph once.

    Args:
        pipeline: the pipeline's name.
        graph: the graph to run.
        plan: the planning context.
        run: the identity of the run.
        sessions: the pool of Sessions.
        threads: how many steps may run at once.
        state: the state store; None records nothing.
        tags: the declared tags; those with a value are set on each output.
        default_warehouse: the warehouse of steps that name none.
        listeners: called with every event, one event at a time.
        fingerprints: the fingerprints of the nodes, for the state store.
        reused: the nodes that are unchanged, each with its last success.
        skipped: the nodes that need a node which failed earlier in this run, each with that node.
        omitted: the nodes that are omitted, each with the reason.
        resumed: whether the run is resumed.
        fail_fast: whether to stop scheduling new steps after the first failure.
        lock: the lock of this run, renewed while steps run and checked before an output is
            published; None for no lock.
        sleep: waits before a step is retried; by default, an interrupt ends the wait early.
        stop: stops the run like Ctrl-C when it is set.
        retries: how often a step is retried after a transient error; None as its settings say.
        announced: whether to record that a step starts, and on which session.
        known: the versions of resources that the run has seen.
        listings: what SHOW has listed during the run.
        fillings: the intervals that a backfill computes, by step.
        budgets: the credits that the run and its steps may use.

    Attributes:
        lost: whether the run has lost its lock.
    """

    pipeline: str
    graph: Graph
    plan: PlanContext
    run: RunInfo
    sessions: Sessions
    threads: int
    state: State | None
    tags: dict[str, Tag]
    default_warehouse: Identifier | None
    listeners: Iterable[Listener]
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)
    reused: Mapping[str, Success] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    omitted: Mapping[str, str] = field(default_factory=dict)
    resumed: bool = False
    fail_fast: bool = False
    lock: RunLock | None = None
    sleep: Callable[[float], None] | None = None
    stop: threading.Event | None = None
    retries: int | None = None
    announced: bool = False
    known: Known = field(default_factory=Known)
    listings: Listings = field(default_factory=Listings)
    fillings: Mapping[str, Filling] = field(default_factory=dict)
    budgets: Budgets = field(default_factory=Budgets)

    def __post_init__(self) -> None:
        self._interrupted = False
        self.lost = False
        self._asked = threading.Event()  # set by Ctrl-C or SIGTERM
        self._began = time.monotonic()
        self._flush_at: float | None = None
        self._unrecorded = 0.0  # seconds of work
        self._awake: Identifier | None = None  # the warehouse of the step that was started last
        self._emit_lock = threading.Lock()
        self._lease = self.lock.lasts if self.lock is not None else LASTS
        self._started = RunStarted(
            self.run.id,
            self.pipeline,
            self.plan.target,
            self.run.started_at,
            tuple(self.graph.nodes),
            self.resumed,
            {name: tuple(self.graph.needs(name)) for name in self.graph.nodes},
        )

    def execute(self, details: Mapping[str, object]) -> RunResult:
        """Run all nodes that can run, and record the run with its details."""
        begin = time.monotonic()
        with interrupts(self.stop) as self._asked:
            if self.state is not None:
                self.state.started(self._started, details)
                for name, filling in self.fillings.items():
                    self.state.backfill_started(self._started, name, filling.details)
            self._emit(self._started)
            outcomes = self._schedule()
        status = ended(outcomes.values())
        finished = RunFinished(self.run.id, status, time.monotonic() - begin)
        if self.state is not None:
            self._use_awake()
            if self.lost and self.lock is not None and self.lock.holder() is None:
                self.state.flush()  # who has canceled the run records its end
            else:
                self.state.finished(self._started, finished)
        self._emit(finished)
        return RunResult(self.run, status, finished.seconds, outcomes, self._interrupted)

    def execute_part(self) -> dict[str, StepOutcome]:
        """Run the nodes as a part of a run whose start and end are recorded by others."""
        with interrupts(self.stop) as self._asked:
            outcomes = self._schedule()
        self._flush()
        return outcomes

    def _step_runner(self) -> StepRunner:
        return StepRunner(
            started=self._started,
            plan=self.plan,
            run=self.run,
            sessions=self.sessions,
            state=self.state,
            tags=self.tags,
            default_warehouse=self.default_warehouse,
            fingerprints=self.fingerprints,
            lock=self.lock,
            retries=self.retries,
            announced=self.announced,
            emit=self._emit,
            stopped=self._asked,
            sleep=self._sleep,
            known=self.known,
            listings=self.listings,
            fillings=self.fillings,
            places={
                r for node in self.graph.nodes.values() for r in node.reads if isinstance(r.name, StagePath)
            },
        )

    def _sleep(self, seconds: float) -> None:
        (self.sleep or self._asked.wait)(seconds)

    def _emit(self, event: Event) -> None:
        with self._emit_lock:
            for listener in self.listeners:
                listener(event)

    def _schedule(self) -> dict[str, StepOutcome]:
        outcomes: dict[str, StepOutcome] = {}
        self._reuse(outcomes)
        steps = self._step_runner()
        settled = {*self.reused, *self.omitted, *self.skipped}
        waiting = {
            name: set(self.graph.needs(name)) - settled for name in self.graph.nodes if name not in settled
        }
        if waiting:
            self._flush()  # the start of the run is recorded before its first step starts
        running: dict[Future[StepOutcome], str] = {}
        executor = ThreadPoolExecutor(self.threads, thread_name_prefix="step")
        try:
            while waiting or running:
                if self._asked.is_set():
                    if not self._interrupted and not self.lost:
                        self._interrupt(waiting, outcomes)
                    self._cancel()  # in every iteration: a step may have started another statement meanwhile
                if self.sessions.shared:
                    self._flush_if_due()  # on one Session, nothing can be written while a step runs
                # Steps do not queue in the executor, so that a step that has not started can still
                # be skipped.
                free = self.threads - len(running)
                for name in [name for name, needs in waiting.items() if not needs][:free]:
                    if name not in waiting:  # skipped, as a step before it was not started
                        continue
                    del waiting[name]
                    why = self.budgets.start(name)
                    if why is not None:
                        self._ended(name, failed(name, why), waiting, outcomes)
                        continue
                    self._awake = steps.warehouse(self.graph.nodes[name]) or self._awake
                    running[executor.submit(steps.run_node, self.graph.nodes[name])] = name
                done, _ = wait(running, timeout=self._flush_if_due(), return_when=FIRST_COMPLETED)
                if not self._renew(running.values()):
                    self._lose(waiting, outcomes)
                steps.cut_over(self.budgets, self.graph.nodes)
                for future in done:
                    self.budgets.end(running[future])
                    self._ended(running.pop(future), future.result(), waiting, outcomes)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
        executor.shutdown()
        return outcomes

    def _flush_if_due(self) -> float:
        """Flush the records if they are due; return the seconds until the next flush.

        If the process dies before a flush, the steps that were not yet recorded run again: at most a fifth of the
        run's time, or some seconds. So the number of writes hardly grows with the time that the steps take.
        """
        if self.state is None or not self.state.pending:
            return 0.5
        now = time.monotonic()
        longest = min(_LONGEST_WAIT, max(_SHORTEST_WAIT, _SHARE * (now - self._began)))
        self._flush_at = self._flush_at or now + longest
        if now >= self._flush_at or self._unrecorded >= longest:
            self._flush()
            return 0.5
        return min(0.5, self._flush_at - now)

    def _flush(self) -> None:
        self._flush_at, self._unrecorded = None, 0.0
        if self.state is not None and self.state.pending:
            self._use_awake()
            self.state.flush()

    def _renew(self, running: Iterable[str]) -> bool:
        """Renew the lock on a warehouse that a step uses; where none does, seldom, and for longer.

        Returns:
            Whether the run holds the lock, as far as it was asked.
        """
        if self.lock is None or self.lost or not self.lock.due:
            return True
        places = {self.graph.nodes[name].step.runs_in(self.plan) for name in running}
        self.lock.lasts = LASTS_IN_CLIENT if places == {RunsIn.CLIENT} else self._lease
        self._use_awake()
        return self.lock.renew()

    def _use_awake(self) -> None:
        if self.state is not None and self._awake is not None and not self.sessions.shared:
            self.state.use(self._awake)

    def _reuse(self, outcomes: dict[str, StepOutcome]) -> None:
        """Record the nodes that do not run; what the run did before is recorded already."""
        same = {name: unchanged(name, known, self.run.id) for name, known in self.reused.items()}
        if self.state is not None:
            self.state.reused(
                self._started,
                {
                    name: (same[name].message, known)
                    for name, known in self.reused.items()
                    if known.run_id != self.run.id
                },
            )
        for name in self.graph.nodes:
            if name in same:
                self._record(outcomes, same[name])
            elif name in self.omitted:
                self._record(outcomes, omitted_because(name, self.omitted[name]))
            elif name in self.skipped:
                self._record(outcomes, skipped(name, f"needs {self.skipped[name]}", self.skipped[name]))

    def _ended(
        self, name: str, outcome: StepOutcome, waiting: dict[str, set[str]], outcomes: dict[str, StepOutcome]
    ) -> None:
        """Record how a step ended, and update the waiting steps accordingly."""
        self._record(outcomes, outcome)
        if outcome.status is Status.SUCCESS or outcome.has_outputs:
            for needs in waiting.values():
                needs.discard(name)
        elif outcome.status is Status.OMITTED:
            dependents = self.graph.dependents(name)
            for other in [other for other in self.graph.nodes if other in dependents]:
                if waiting.pop(other, None) is not None:
                    self._record(outcomes, omitted_because(other, f"needs {name}, which is omitted"))
        else:
            self._skip(name, waiting, outcomes)
            if self._has_lost(outcome):
                self._lose(waiting, outcomes)
            if self.fail_fast:
                self._skip_rest(waiting, outcomes, f"not started after {name} failed", name)

    def _skip(self, failed: str, waiting: dict[str, set[str]], outcomes: dict[str, StepOutcome]) -> None:
        """Skip all waiting steps that depend on a failed step."""
        dependents = self.graph.dependents(failed)
        for name in [name for name in self.graph.nodes if name in dependents and name in waiting]:
            del waiting[name]
            self._record(outcomes, skipped(name, f"needs {failed}", failed))

    def _skip_rest(
        self,
        waiting: dict[str, set[str]],
        outcomes: dict[str, StepOutcome],
        why: str,
        blamed: str | None = None,
    ) -> None:
        """Skip all steps that have not started."""
        for name in list(waiting):
            del waiting[name]
            self._record(outcomes, skipped(name, why, blamed))

    def _interrupt(self, waiting: dict[str, set[str]], outcomes: dict[str, StepOutcome]) -> None:
        """Stop scheduling steps."""
        self._interrupted = True
        log.warning(
            "interrupted: no further steps are started, and running statements are canceled; interrupt again to exit at once"
        )
        self._skip_rest(waiting, outcomes, "interrupted")

    def _has_lost(self, failed: StepOutcome) -> bool:
        """Return whether a step failed since the run was canceled elsewhere, or another run has taken its lock over."""
        if self.lock is None or self.lock.token is None or self._asked.is_set() or failed.error is None:
            return False
        return was_canceled(failed.error) and self.lock.lost

    def _lose(self, waiting: dict[str, set[str]], outcomes: dict[str, StepOutcome]) -> None:
        """Stop a run that no longer holds its lock."""
        self.lost = True
        log.warning("the run no longer holds its lock: no further steps are started")
        self._skip_rest(waiting, outcomes, "the run was canceled, or another run has taken its lock over")
        self._asked.set()

    def _cancel(self) -> None:
        """Cancel the running statements of the steps."""
        if self.sessions.shared:
            self.sessions.cancel()
        elif self.state is not None:
            for number in self.sessions.numbers():
                if number != int(self.state.connection.session_id):  # this one runs the cancel statement
                    self.state.cancel(number)

    def _record(self, outcomes: dict[str, StepOutcome], outcome: StepOutcome) -> None:
        outcomes[outcome.name] = outcome
        event = StepFinished(
            outcome.name,
            outcome.status,
            outcome.rows,
            outcome.seconds,
            outcome.message,
            outcome.warnings,
            outcome.error,
            outcome.blamed,
            outcome.metrics,
            outcome.outputs,
        )
        if self.state is not None and outcome.status is not Status.REUSED:
            self.state.step_finished(self._started, event, outcome.work)
            self._unrecorded += outcome.seconds or 0.0
        self._emit(event)
