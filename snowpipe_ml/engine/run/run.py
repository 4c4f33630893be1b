"""Running a graph: in order, in parallel, and on past a failure where that is possible."""

from __future__ import annotations

import itertools
import json
import logging
import random
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from snowpipe_ml.engine.plan.conditions import left_out_on
from snowpipe_ml.engine.plan.decisions import stands
from snowpipe_ml.engine.plan.fingerprint import Fingerprint
from snowpipe_ml.engine.plan.graph import Graph, Node
from snowpipe_ml.engine.plan.versions import Versions, to_json
from snowpipe_ml.engine.records.lock import RunLock
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.run.events import (
    Event,
    Listener,
    RunFinished,
    RunStarted,
    Status,
    StepFinished,
    StepProgress,
    StepRetried,
    StepStarted,
)
from snowpipe_ml.engine.run.interrupts import interrupts
from snowpipe_ml.engine.run.outcome import RunResult, StepOutcome, cause, left_out_because
from snowpipe_ml.engine.run.retry import Backoff, again, is_transient
from snowpipe_ml.engine.run.sessions import Sessions, execute
from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import Kind, PlanContext, Resource, RunContext, RunInfo, StepResult
from snowpipe_ml.plugins.results import to_show
from snowpipe_ml.spec.models import Tag
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql

if TYPE_CHECKING:
    from snowflake.snowpark import Session

log = logging.getLogger("snowpipe_ml.engine")

_BEHIND = 0.1  # seconds that the record of a step may wait for others, to be written with them


def new_run(run_date: date | None = None) -> RunInfo:
    """A new run for a day, today if None; ids sort by time, to the millisecond: "the last run" is the greatest."""
    now = datetime.now(UTC)
    stamp = f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}"
    return RunInfo(f"{stamp}-{secrets.token_hex(3)}", now, f"MODEL_{stamp}", run_date or now.date())


@dataclass
class Runner:
    """Runs one graph once.

    Args:
        pipeline: the pipeline's name.
        graph: what to run.
        plan: what steps may know without a connection.
        run: the ids.
        sessions: where Sessions come from.
        threads: how many steps may run at once.
        state: the records; None keeps none.
        tags: declared tags; those with a value are set on each output.
        default_warehouse: used by steps that name none.
        listeners: hear of every event, one at a time.
        fingerprints: of the nodes, for the records.
        reused: nodes that need not run, each with the run in which it last did.
        omitted: nodes that are left out, each with the reason.
        resumed: whether the run began before.
        fail_fast: whether no step is begun after one has failed.
        lock: of this run, renewed while steps run and checked before an output is published; None has none.
        sleep: waits before a step is tried again; by default until it is time or the run is interrupted.
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
    reused: Mapping[str, str] = field(default_factory=dict)
    omitted: Mapping[str, str] = field(default_factory=dict)
    resumed: bool = False
    fail_fast: bool = False
    lock: RunLock | None = None
    sleep: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        self._interrupted = False
        self._asked = threading.Event()  # to end: by Ctrl-C or SIGTERM
        self._flush_at: float | None = None
        self._chance = random.Random()  # noqa: S311 - jitter
        self._emit_lock = threading.Lock()
        self._started = RunStarted(
            self.run.id,
            self.pipeline,
            self.plan.target,
            self.run.started_at,
            tuple(self.graph.nodes),
            self.resumed,
            {name: tuple(self.graph.needs(name)) for name in self.graph.nodes},
        )

    def execute(self, details: dict[str, Any]) -> RunResult:
        """Run everything that can be run."""
        begin = time.monotonic()
        with interrupts() as self._asked:
            if self.state is not None:
                self.state.started(self._started, details)
            self._emit(self._started)
            outcomes = self._schedule()
        failed = any(not outcome.status.good for outcome in outcomes.values())
        status = Status.FAILED if failed else Status.SUCCESS
        finished = RunFinished(self.run.id, status, time.monotonic() - begin)
        if self.state is not None:
            self.state.finished(self._started, finished)
        self._emit(finished)
        return RunResult(self.run, status, finished.seconds, outcomes, self._interrupted)

    def _sleep(self, seconds: float) -> None:
        if self.sleep is not None:
            self.sleep(seconds)
        else:
            self._asked.wait(seconds)

    def _emit(self, event: Event) -> None:
        with self._emit_lock:
            for listener in self.listeners:
                listener(event)

    def _schedule(self) -> dict[str, StepOutcome]:
        outcomes: dict[str, StepOutcome] = {}
        self._reuse(outcomes)
        waiting = {
            name: set(self.graph.needs(name)) - set(self.reused) - set(self.omitted)
            for name in self.graph.nodes
            if name not in self.reused and name not in self.omitted
        }
        running: dict[Future[StepOutcome], str] = {}
        executor = ThreadPoolExecutor(self.threads, thread_name_prefix="step")
        try:
            while waiting or running:
                if self._asked.is_set():
                    if not self._interrupted:
                        self._interrupt(waiting, outcomes)
                    self._cancel()  # and again: a step may have begun its next statement meanwhile
                if self.sessions.shared:
                    self._flush()  # on one Session, a step must not begin before the one before it is recorded
                # No step waits inside the executor: one that has not begun can still be left.
                free = self.threads - len(running)
                for name in [name for name, needs in waiting.items() if not needs][:free]:
                    del waiting[name]
                    running[executor.submit(self._run_node, self.graph.nodes[name])] = name
                done, _ = wait(running, timeout=self._behind(), return_when=FIRST_COMPLETED)
                if self.lock is not None:
                    self.lock.renew()
                for future in done:
                    self._ended(running.pop(future), future.result(), waiting, outcomes)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
        executor.shutdown()
        self._flush()
        return outcomes

    def _behind(self) -> float:
        """Write what was recorded if it is time to; the seconds until it will be.

        Steps that were recorded a moment too late run once more if the process dies in that moment.
        """
        if self.state is None or not self.state.pending:
            return 0.5
        now = time.monotonic()
        self._flush_at = self._flush_at or now + _BEHIND
        if now >= self._flush_at:
            self._flush()
            return 0.5
        return self._flush_at - now

    def _flush(self) -> None:
        self._flush_at = None
        if self.state is not None:
            self.state.flush()

    def _reuse(self, outcomes: dict[str, StepOutcome]) -> None:
        """Mark all that need not run, or must not; what this very run has done is recorded already."""
        before = {name: run for name, run in self.reused.items() if run != self.run.id}
        messages = {
            name: f"unchanged since {before[name]}" if name in before else "done before"
            for name in self.reused
        }
        if self.state is not None:
            self.state.reused(self._started, {name: messages[name] for name in before})
        for name in self.graph.nodes:
            if name in messages:
                self._record(
                    outcomes, StepOutcome(name, Status.REUSED, None, 0.0, messages[name], (), None, None)
                )
            elif name in self.omitted:
                self._record(outcomes, left_out_because(name, self.omitted[name]))

    def _ended(
        self, name: str, outcome: StepOutcome, waiting: dict[str, set[str]], outcomes: dict[str, StepOutcome]
    ) -> None:
        """Record how a step ended, and what that means for those that wait."""
        self._record(outcomes, outcome)
        if outcome.status is Status.SUCCESS or outcome.stands:
            for needs in waiting.values():
                needs.discard(name)
        elif outcome.status is Status.OMITTED:
            dependents = self.graph.dependents(name)
            for other in [other for other in self.graph.nodes if other in dependents]:
                if waiting.pop(other, None) is not None:
                    self._record(outcomes, left_out_because(other, f"needs {name}, which is left out"))
        else:
            self._skip(name, waiting, outcomes)
            if self.fail_fast:
                self._leave(waiting, outcomes, f"not begun after {name} failed", name)

    def _skip(self, failed: str, waiting: dict[str, set[str]], outcomes: dict[str, StepOutcome]) -> None:
        """Mark all that waits for a failed step."""
        dependents = self.graph.dependents(failed)
        for name in [name for name in self.graph.nodes if name in dependents and name in waiting]:
            del waiting[name]
            self._record(
                outcomes, StepOutcome(name, Status.SKIPPED, None, 0.0, f"needs {failed}", (), None, failed)
            )

    def _leave(
        self,
        waiting: dict[str, set[str]],
        outcomes: dict[str, StepOutcome],
        why: str,
        blamed: str | None = None,
    ) -> None:
        """Mark all that has not begun."""
        for name in list(waiting):
            del waiting[name]
            self._record(outcomes, StepOutcome(name, Status.SKIPPED, None, 0.0, why, (), None, blamed))

    def _interrupt(self, waiting: dict[str, set[str]], outcomes: dict[str, StepOutcome]) -> None:
        """Begin nothing more."""
        self._interrupted = True
        log.warning(
            "interrupted: no further step begins, and what runs is cancelled; once more ends it at once"
        )
        self._leave(waiting, outcomes, "interrupted")

    def _cancel(self) -> None:
        """Cancel what the steps run on their Sessions."""
        if self.sessions.shared:
            self.sessions.cancel()
        elif self.state is not None:
            for number in self.sessions.numbers():
                if number != int(self.state.session.session_id):  # which would cancel what cancels
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
        )
        if self.state is not None and outcome.status is not Status.REUSED:
            self.state.step_finished(self._started, event, outcome.work)
        self._emit(event)

    def _run_node(self, node: Node) -> StepOutcome:
        begin = time.monotonic()
        self._emit(StepStarted(node.name))
        try:
            tried = self._tried(node)
            if isinstance(tried, StepOutcome):
                return tried
            result, work = tried
        except Exception as error:  # whatever a step raises fails that step, and only that step
            log.debug("step %s failed", node.name, exc_info=True)
            return StepOutcome(
                node.name,
                Status.FAILED,
                None,
                time.monotonic() - begin,
                cause(error),
                (),
                error,
                None,
                work=to_show(getattr(error, "checks", ())),
            )
        return StepOutcome(
            node.name,
            Status.SUCCESS,
            result.rows,
            time.monotonic() - begin,
            result.message,
            result.warnings,
            None,
            None,
            result.metrics,
            work,
        )

    def _tried(self, node: Node) -> tuple[StepResult, Mapping[str, Any]] | StepOutcome:
        """Run a step, and again where an error passes by itself; or say why it is left out."""
        delays = Backoff(node.step.settings.retries).delays(self._chance)
        for attempt in itertools.count(1):
            try:
                with self.sessions.session() as session:
                    ctx = self._context(node, session)
                    with self._prepared(node, session):
                        why = None if node.declared else left_out_on(session, node.step, ctx)
                        if why is not None:
                            there = Versions(session, self._sleep).of(node.writes)
                            return left_out_because(node.name, why, stands=stands(node, there))
                        # What a step reads and writes, it leaves as its output.
                        inputs = self._versions(session, [r for r in node.reads if r not in node.writes])
                        result = node.step.run(ctx) or StepResult()
                        self._set_tags(node, ctx)
                        outputs = self._versions(session, node.writes)
                made = self.fingerprints.get(node.name)
                work = {
                    **(made.to_json() if made else {}),
                    "inputs": inputs,
                    "outputs": outputs,
                    **to_show(result.checks, result.charts, result.pictures),
                }
                return result, work
            except Exception as error:
                delay = next(delays, None) if is_transient(error) and not self._asked.is_set() else None
                if delay is None:
                    raise
                self._emit(StepRetried(node.name, attempt, delay, cause(error)))
                self._sleep(delay)
                if self._asked.is_set():
                    raise
        raise AssertionError("unreachable")

    def _versions(self, session: Session, resources: Iterable[Resource]) -> list[list[Any]]:
        return [] if self.state is None else to_json(Versions(session, self._sleep).of(resources))

    def _context(self, node: Node, session: Session) -> RunContext:
        def progress(done: int, total: int | None = None, note: str = "") -> None:
            if self._asked.is_set():  # work outside of the warehouse has no statement that could be canceled
                raise StepError("interrupted")
            self._emit(StepProgress(node.name, done, total, note))

        return RunContext(
            **{name: getattr(self.plan, name) for name in PlanContext.__dataclass_fields__},
            session=session,
            run=self.run,
            progress=progress,
            again=partial(again, sleep=self._sleep),
            fence=self.lock.check if self.lock is not None else lambda session: None,
            logger=logging.getLogger(f"snowpipe_ml.steps.{node.name}"),
        )

    @contextmanager
    def _prepared(self, node: Node, session: Session) -> Iterator[None]:
        """The step's warehouse, and a query tag by which its statements are found later.

        A Session that goes from step to step gets its first warehouse back in between: see :class:`Sessions`.
        """
        tag = json.dumps({"pipeline": self.pipeline, "run": self.run.id, "step": node.name})
        self._ensure(session, sql("ALTER SESSION SET QUERY_TAG = {tag}", tag=Literal(tag)))
        creates = any(resource.kind is Kind.WAREHOUSE for resource in node.writes)
        name = (
            None
            if creates
            else (None if node.declared else node.step.settings.warehouse) or self.default_warehouse
        )
        if name is not None:
            self._ensure(session, sql("USE WAREHOUSE {name}", name=name))
        timeout = node.step.settings.timeout
        if timeout is not None:
            self._ensure(
                session, sql("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = {n}", n=Literal(timeout))
            )
        try:
            yield
        finally:
            if timeout is not None and (self.sessions.shared or sys.exc_info()[0] is None):
                self._ensure(session, self.sessions.unset("STATEMENT_TIMEOUT_IN_SECONDS"))

    def _ensure(self, session: Session, statement: Sql) -> None:
        """Run a statement that may run twice, and again if its reply is lost."""
        again(lambda: execute(session, statement), sleep=self._sleep)

    def _set_tags(self, node: Node, ctx: RunContext) -> None:
        """Set the declared tags that have a value on what the step wrote."""
        values = {name: tag.value for name, tag in self.tags.items() if tag.value is not None}
        if node.declared or not values:
            return
        pairs = join(
            ", ",
            [
                sql("{name} = {value}", name=Identifier.parse(name), value=Literal(value))
                for name, value in values.items()
            ],
        )
        for resource in node.writes:
            if resource.kind is Kind.TABLE and isinstance(resource.name, QualifiedName):
                kind = Sql("VIEW" if resource.view else "TABLE")
                self._ensure(
                    ctx.session,
                    sql("ALTER {kind} {name} SET TAG {pairs}", kind=kind, name=resource.name, pairs=pairs),
                )
