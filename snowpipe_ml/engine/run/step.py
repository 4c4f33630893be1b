"""One step of a run: its Session, warehouse, query tag and timeout, its retries, and the outcome."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from snowpipe_ml.backoff import retrying
from snowpipe_ml.engine.events import Event, RunStarted, Status, StepProgress, StepRetried, StepStarted
from snowpipe_ml.engine.plan.conditions import omission_on
from snowpipe_ml.engine.plan.decisions import has_outputs
from snowpipe_ml.engine.plan.fingerprint import Fingerprint
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.engine.plan.versions import Known, Version, Versions, to_json
from snowpipe_ml.engine.records.leftovers import QueryTag
from snowpipe_ml.engine.records.lock import RunLock
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.retry import again, is_transient
from snowpipe_ml.engine.run.backfill import Filling, together
from snowpipe_ml.engine.run.budgets import Budgets
from snowpipe_ml.engine.run.outcome import StepOutcome, cause, omitted_because
from snowpipe_ml.engine.run.sessions import Sessions
from snowpipe_ml.engine.run.tagging import set_tags, values_of
from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import Kind, PlanContext, Resource, RunContext, RunInfo, StepResult
from snowpipe_ml.plugins.listings import Listings
from snowpipe_ml.plugins.results import to_show
from snowpipe_ml.spec.models import Tag
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, StagePath, sql
from snowpipe_ml.text.redaction import redact

if TYPE_CHECKING:
    from snowflake.snowpark import Session
    from tenacity import RetryCallState

log = logging.getLogger("snowpipe_ml.engine")


@dataclass(frozen=True, kw_only=True)
class StepRunner:
    """Runs the steps of one run, each in the thread that calls it.

    Args:
        started: the event of the run's start.
        plan: the planning context.
        run: the identity of the run.
        sessions: the pool of Sessions.
        state: the state store; None records nothing.
        tags: the declared tags; those with a value are set on each output.
        default_warehouse: the warehouse of steps that name none.
        fingerprints: the fingerprints of the nodes, for the state store.
        lock: the lock of the run, checked before an output is published; None for no lock.
        retries: how often a step is retried after a transient error; None as its settings say.
        announced: whether to record that a step starts, and on which session.
        emit: called with every event.
        stopped: set when the run is interrupted.
        sleep: waits before a step is retried.
        known: the versions of resources that the run has seen.
        listings: what SHOW has listed during the run.
        places: the places on stages that steps read.
        recorded: the sessions that are recorded.
        fillings: the intervals that a backfill computes, by step.
        filled: the results of those that this run has computed, by step.
        numbers: the sessions on which steps run.
        cut: the steps that were canceled to stay within a budget, each with the reason.
    """

    started: RunStarted
    plan: PlanContext
    run: RunInfo
    sessions: Sessions
    state: State | None
    tags: Mapping[str, Tag]
    default_warehouse: Identifier | None
    fingerprints: Mapping[str, Fingerprint]
    lock: RunLock | None
    retries: int | None
    announced: bool
    emit: Callable[[Event], None]
    stopped: threading.Event
    sleep: Callable[[float], None]
    known: Known
    listings: Listings
    places: Collection[Resource] = ()
    recorded: set[int] = field(default_factory=set)
    fillings: Mapping[str, Filling] = field(default_factory=dict)
    filled: dict[str, list[StepResult]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    cut: dict[str, str] = field(default_factory=dict)

    def run_node(self, node: Node) -> StepOutcome:
        """Run a step, with retries after transient errors; an exception of the step becomes its outcome."""
        begin = time.monotonic()
        self.emit(StepStarted(node.name))
        try:
            tried = self._with_retries(node)
            if isinstance(tried, StepOutcome):
                return tried
            result, work = tried
        except Exception as error:  # an exception of a step fails that step only
            log.debug("step %s failed", node.name, exc_info=True)
            reason = StepError(self.cut[node.name]) if node.name in self.cut else error
            return StepOutcome(
                node.name,
                Status.FAILED,
                None,
                time.monotonic() - begin,
                cause(reason),
                (),
                reason,
                None,
                work=to_show(getattr(error, "checks", ())),
            )
        return StepOutcome(
            node.name,
            Status.SUCCESS,
            result.rows,
            time.monotonic() - begin,
            redact(result.message),
            tuple(map(redact, result.warnings)),
            None,
            None,
            result.metrics,
            work,
        )

    def cut_over(self, budgets: Budgets, nodes: Mapping[str, Node]) -> None:
        """Cancel the steps that have used their budget; again if they have started another statement meanwhile."""
        for name, why in budgets.passed(nodes):
            if name not in self.cut:
                log.warning("%s is %s", name, why)
                self.cut[name] = why
            if self.sessions.shared:
                self.sessions.cancel()
            elif name in self.numbers and self.state is not None:
                self.state.cancel(self.numbers[name])

    def _with_retries(self, node: Node) -> tuple[StepResult, Mapping[str, object]] | StepOutcome:
        """Run a step, with retries after transient errors; return the outcome if it is omitted."""

        def tell(state: RetryCallState) -> None:
            assert state.outcome is not None
            error = state.outcome.exception()
            assert isinstance(error, Exception)
            self.emit(StepRetried(node.name, state.attempt_number, state.upcoming_sleep, cause(error)))

        def pause(seconds: float) -> None:
            self.sleep(seconds)
            if self.stopped.is_set():
                raise StepError("interrupted before it was retried")

        def transient(error: Exception) -> bool:
            return is_transient(error) and not self.stopped.is_set() and node.name not in self.cut

        retries = node.step.settings.retries if self.retries is None else self.retries
        return retrying(retries, transient, pause, before_sleep=tell)(self._once, node)

    def _once(self, node: Node) -> tuple[StepResult, Mapping[str, object]] | StepOutcome:
        """Run a step; return the outcome if it is omitted."""
        with self.sessions.session(self.warehouse(node)) as session:
            self.numbers[node.name] = int(session.session_id)
            self._announce(node, int(session.session_id))
            ctx = self._context(node, session)
            with self._prepared(node, ctx):
                versions = Versions(session.connection, self.sleep, tag=ctx.tag)
                why = None if node.declared else omission_on(node.step, ctx)
                if why is not None:
                    there = versions.of(node.writes)
                    return omitted_because(node.name, why, has_outputs=has_outputs(node, there))
                # A resource that a step both reads and writes counts as an output.
                inputs = self._inputs(versions, [r for r in node.reads if r not in node.writes])
                try:
                    filling = self.fillings.get(node.name)
                    result = (
                        node.step.run(ctx) if filling is None else self._fill(node, ctx, filling)
                    ) or StepResult()
                    set_tags(
                        node, ctx.tags, ctx.outputs.tagged, lambda statement: self._ensure(ctx, statement)
                    )
                finally:
                    self._forget(node.writes)
                outputs = self._outputs(versions, node.writes, ctx)
        made = self.fingerprints.get(node.name)
        work = {
            **(made.to_json() if made else {}),
            "inputs": to_json(inputs),
            "outputs": to_json(outputs),
            **to_show(result.checks, result.charts, result.pictures),
            **({"backfilled": True} if node.name in self.fillings else {}),
        }
        return result, work

    def _fill(self, node: Node, ctx: RunContext, filling: Filling) -> StepResult:
        """Compute the intervals of a step that this run has not computed yet, and record each when it is committed."""
        results = self.filled.setdefault(node.name, [])
        for interval in filling.pending[len(results) :]:
            ctx.progress(len(results), len(filling.pending), str(interval))
            result = node.step.run(replace(ctx, interval=interval)) or StepResult()
            if self.state is not None:
                connection = ctx.opened.connection
                self.state.interval_finished(connection, self.started, node.name, interval, filling.code)
            results.append(result)
        return together(results)

    def _announce(self, node: Node, number: int) -> None:
        """Record a session before its first statement, so that what runs of it can be ended if this process dies."""
        if self.state is None or self.sessions.shared:
            return  # what runs on a caller's own Session is found by its query tag
        if self.announced:
            self.state.step_started(self.started, node.name, number)
        elif number not in self.recorded:
            self.recorded.add(number)
            self.state.session_opened(self.started, number)

    def _inputs(self, versions: Versions, resources: Iterable[Resource]) -> dict[Resource, Version]:
        """Return the versions of what a step is about to read.

        A version that the run has seen is not asked for again. If the resource has changed since, the version
        is older than what the step reads, and the next run reads it again.
        """
        if self.state is None:
            return {}
        found, unknown = self.known.of(resources)
        return {**found, **versions.of(unknown)} if unknown else found

    def _outputs(
        self, versions: Versions, resources: Iterable[Resource], ctx: RunContext
    ) -> dict[Resource, Version]:
        if self.state is None:
            return {}
        places = self.places_in(resources)
        written = [r.name for r in resources if r.kind is Kind.TABLE and isinstance(r.name, QualifiedName)]
        if uncounted := ctx.outputs.uncounted(written):
            ctx.count_all(uncounted)
        found = versions.left_by([*resources, *places], ctx.outputs)
        self.known.add(found)
        return {resource: version for resource, version in found.items() if resource not in places}

    def places_in(self, resources: Iterable[Resource]) -> list[Resource]:
        """Return the places on stages that other steps read inside of those that a step writes.

        Their versions are in the listing of the place that contains them.
        """
        resources = list(resources)
        return [
            inside
            for inside in self.places
            if inside not in resources
            and any(isinstance(r.name, StagePath) and r.name.contains(inside.name) for r in resources)
        ]

    def _forget(self, resources: Iterable[Resource]) -> None:
        self.known.forget(resources)
        for resource in resources:
            if isinstance(resource.name, QualifiedName):
                self.listings.forget(resource.name.name)

    def _context(self, node: Node, session: Session) -> RunContext:
        def progress(done: int, total: int | None = None, note: str = "") -> None:
            if self.stopped.is_set():  # work outside the warehouse has no statement to cancel
                raise StepError("interrupted")
            if node.name in self.cut:
                raise StepError(self.cut[node.name])
            self.emit(StepProgress(node.name, done, total, note))

        return RunContext(
            **{name: getattr(self.plan, name) for name in PlanContext.__dataclass_fields__},
            opened=session,
            run=self.run,
            progress=progress,
            again=partial(again, sleep=self.sleep),
            fence=self.lock.check if self.lock is not None else lambda execute: None,
            listings=self.listings,
            tag=self._tag(node),
            tags={} if node.declared else values_of(self.tags),
            logger=logging.getLogger(f"snowpipe_ml.steps.{node.name}"),
        )

    def warehouse(self, node: Node) -> Identifier | None:
        """Return the warehouse of a step; None for that of the connection."""
        if any(resource.kind is Kind.WAREHOUSE for resource in node.writes):  # it may not exist yet
            return None
        return (None if node.declared else node.step.settings.warehouse) or self.default_warehouse

    def _tag(self, node: Node) -> str:
        records = None if self.state is None else self.state.schema
        return QueryTag(self.started.pipeline, self.started.target, records).of(self.run.id, node.name)

    @contextmanager
    def _prepared(self, node: Node, ctx: RunContext) -> Iterator[None]:
        """Set the step's statement timeout."""
        timeout = node.step.settings.timeout
        if timeout is not None:
            self._ensure(ctx, sql("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = {n}", n=Literal(timeout)))
        try:
            yield
        finally:
            if timeout is not None and (self.sessions.shared or sys.exc_info()[0] is None):
                self._ensure(ctx, self.sessions.unset("STATEMENT_TIMEOUT_IN_SECONDS"))

    def _ensure(self, ctx: RunContext, statement: Sql) -> None:
        """Run an idempotent statement, with retries."""
        again(lambda: ctx.execute(statement), sleep=self.sleep)
