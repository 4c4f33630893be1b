"""The common start of all ways to run a pipeline: Sessions on a target, and its state store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from snowpipe_ml.engine.events import Listener, RunStarted
from snowpipe_ml.engine.plan.decisions import Action, Decision, Success, decide, resources_of
from snowpipe_ml.engine.plan.fingerprint import Fingerprint, fingerprints
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.selection import select as choose
from snowpipe_ml.engine.plan.versions import Known, Version, Versions
from snowpipe_ml.engine.records.glance import Glance
from snowpipe_ml.engine.records.leftovers import QueryTag
from snowpipe_ml.engine.records.lock import RunLock
from snowpipe_ml.engine.records.past import PastRun
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.retry import NO_WAREHOUSE, again, number_of
from snowpipe_ml.engine.run.backfill import Backfill, Filling, fillings
from snowpipe_ml.engine.run.budgets import Budgets
from snowpipe_ml.engine.run.environments import prepare
from snowpipe_ml.engine.run.hooks import hook_reads
from snowpipe_ml.engine.run.opening import connector, dicts, opener, state_schema
from snowpipe_ml.engine.run.rows import KeptRows
from snowpipe_ml.engine.run.run import Runner
from snowpipe_ml.engine.run.sessions import OneSession, Sessions
from snowpipe_ml.engine.run.source import Source
from snowpipe_ml.errors import TargetError, UsageError
from snowpipe_ml.plugins import PlanContext, Resource, RunInfo
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.plugins.listings import Listings
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.text.redaction import STARS

if TYPE_CHECKING:
    from snowflake.snowpark import Session

log = logging.getLogger("snowpipe_ml.engine")

SessionFactory = Callable[[], "Session"]
"""Opens a Session on the target, with credentials that the spec does not have."""


@dataclass(frozen=True)
class Access:
    """How a run reaches its target.

    Attributes:
        session: an open Session of the caller's, on which everything runs, one statement after the other.
        factory: opens the Sessions; by default, the target of the spec does.
    """

    session: Session | None = None
    factory: SessionFactory | None = None

    def __post_init__(self) -> None:
        if self.session is not None and self.factory is not None:
            raise UsageError("give either session or session_factory, not both")

    @contextmanager
    def logged_in(self, spec: Spec, source: Source) -> Iterator[Access]:
        """Log in once for the whole run if each login would ask the user, and use one Session for everything."""
        given = self.session is not None or self.factory is not None
        if given or not spec.target.asks_at_login(source.path.resolve().parent):
            yield self
            return
        log.warning(
            "each login to the target %s asks the user, so this run logs in once and its steps run one at a time; "
            "docs/logging-in.md says how the answer is cached",
            spec.target_name,
        )
        session = again(opener(spec, source.path, make=True))
        try:
            yield Access(session)
        except KeyboardInterrupt:
            raise
        except BaseException:
            session.close()
            raise
        session.close()

    def sessions(self, spec: Spec, source: Source) -> Sessions:
        """Return the pool of Sessions on the target of a spec."""
        if self.session is not None:
            return OneSession(self.session)
        return Sessions(self.factory or opener(spec, source.path, make=True))

    @contextmanager
    def records(self, spec: Spec, source: Source) -> Iterator[Connection]:
        """The connection of the state store: that of the caller's Session, or a separate one.

        An own connection is left open after an interrupt, because closing it would wait for running
        statements.
        """
        if self.session is not None:
            yield self.session.connection
            return
        connection: Connection
        close: Callable[[], None]
        if self.factory is not None:
            session = again(self.factory)
            connection, close = session.connection, session.close
        else:
            connection = again(connector(spec, source.path, make=True))
            close = connection.close
        try:
            yield connection
        except KeyboardInterrupt:
            raise
        except BaseException:
            close()
            raise
        close()


@dataclass
class OpenRun:
    """A run of a pipeline on an open target.

    Attributes:
        source: the spec file and its variables.
        run: the identity of the run.
        spec: the spec, loaded for the run.
        graph: all nodes of the spec.
        ctx: the planning context.
        sessions: the Sessions for steps.
        state: the state store.
        variables: the values of variables that the run was given.
        rows: the rows of the queries of ``foreach``.
    """

    source: Source
    run: RunInfo
    spec: Spec
    graph: Graph
    ctx: PlanContext
    sessions: Sessions
    state: State
    variables: Mapping[str, object]
    rows: KeptRows

    @classmethod
    def on(
        cls,
        source: Source,
        run: RunInfo,
        loaded: tuple[Spec, Graph, PlanContext],
        connection: Connection,
        sessions: Sessions,
    ) -> OpenRun:
        """Open a run, with the connection of the state store and the Sessions of the steps."""
        spec, graph, ctx = loaded
        schema = state_schema(spec, connection)
        tag = QueryTag(spec.pipeline.name, spec.target_name, schema).of_records(run.id)
        state = State(connection, schema, tag=tag)
        rows = KeptRows(partial(dicts, connection))
        return cls(source, run, spec, graph, ctx, sessions, state, source.variables, rows)

    @property
    def key(self) -> tuple[str, str]:
        """The pipeline and the target: the state store holds those of several."""
        return self.spec.pipeline.name, self.spec.target_name

    @property
    def connection(self) -> Connection:
        """The connection of the state store."""
        return self.state.connection

    def reload(self, past: PastRun | None = None, kept: Mapping[str, str] | None = None) -> None:
        """Load the spec again, with the items of ``foreach``.

        Args:
            past: the run to continue, with its identity and its variables.
            kept: the rows of ``foreach`` that were read before.
        """
        self.rows = KeptRows(partial(dicts, self.connection), kept)
        if past is not None:
            self.run, self.variables = past.run, _variables_of(past, self.source)
        if past is not None or self.spec.fanned:
            self.spec, self.graph, self.ctx = self.source.load(
                self.spec.target_name, self.run, self.rows, self.variables
            )

    def event(self, graph: Graph, *, resumed: bool = False) -> RunStarted:
        """Return the event of the run's start with the nodes of a graph."""
        needs = {name: tuple(graph.needs(name)) for name in graph.nodes}
        return RunStarted(self.run.id, *self.key, self.run.started_at, tuple(graph.nodes), resumed, needs)

    def decided(
        self,
        select: Iterable[str] = (),
        exclude: Iterable[str] = (),
        *,
        full_refresh: bool = False,
        seen: Glance | None = None,
        backfill: Backfill | None = None,
    ) -> Decided:
        """Select nodes, and decide on each before any has run.

        Args:
            select: the nodes to select.
            exclude: the nodes to leave out.
            full_refresh: run all of them.
            seen: what the records say, if they were looked at.
            backfill: compute intervals, instead of new rows, where a step can.

        Raises:
            UsageError: nothing is selected, or a backfill has no step.
        """
        self.ctx = replace(self.ctx, full_refresh=full_refresh)
        prints = fingerprints(self.graph, self.ctx, self.run)
        past = self.state.successes(*self.key) if seen is None else seen.successes

        def modified() -> set[str]:
            return {
                name
                for name, now in prints.items()
                if name not in past or past[name].fingerprint != now.whole
            }

        chosen, excluded = list(select), list(exclude)
        graph = self.graph
        if chosen or excluded:
            graph = choose(graph, chosen, excluded, modified, hook_reads(self.spec))
        listings = Listings()
        versions = Versions(self.connection, self.state.sleep, listings, self.state.tag, first=not past)
        now = versions.of(resources_of(graph, past))
        written = self.state.written(*self.key) if seen is None else seen.written
        filled: dict[str, Filling] = {}
        if backfill is not None:
            done = self.state.coverage(*self.key)
            filled = fillings(graph, self.ctx, backfill, prints, done, now)
        reasons = {name: filling.reason for name, filling in filled.items()}
        made = decide(
            graph, self.ctx, prints, past, now, refresh=full_refresh, written=written, backfill=reasons
        )
        return Decided(graph, prints, made, past, now, listings, filled)

    def runner(
        self,
        decided: Decided,
        lock: RunLock | None,
        *,
        threads: int,
        listeners: Iterable[Listener] = (),
        resumed: bool = False,
        fail_fast: bool = False,
    ) -> Runner:
        """Return the runner of nodes on which a decision was made; without a lock it records nothing."""
        return Runner(
            pipeline=self.spec.pipeline.name,
            graph=decided.graph,
            plan=self.ctx,
            run=self.run,
            sessions=self.sessions,
            threads=1 if self.sessions.shared else threads,
            state=None if lock is None else self.state,
            tags=self.spec.pipeline.tags,
            default_warehouse=self.spec.target.default_warehouse,
            listeners=tuple(listeners),
            fingerprints=decided.prints,
            resumed=resumed,
            fail_fast=fail_fast,
            reused={name: decided.past[name] for name, made in decided.decisions.items() if made.skips},
            omitted={
                name: made.reason for name, made in decided.decisions.items() if made.action is Action.OMIT
            },
            lock=lock,
            known=Known(decided.now),
            listings=decided.listings,
            fillings={
                name: filling
                for name, filling in decided.fillings.items()
                if decided.decisions[name].action in (Action.RUN, Action.REPLACE)
            },
            budgets=Budgets()
            if lock is None
            else Budgets.read(self.spec, decided.graph, self.ctx, self.state),
        )


@dataclass(frozen=True)
class Decided:
    """Nodes, and the decision on each.

    Attributes:
        graph: the nodes.
        prints: the fingerprints of all nodes of the spec.
        decisions: the decisions.
        past: the last successes of nodes.
        now: the versions of resources before the first of the nodes runs.
        listings: what SHOW has listed.
        fillings: the intervals that a backfill computes, by step.
    """

    graph: Graph
    prints: Mapping[str, Fingerprint]
    decisions: Mapping[str, Decision]
    past: Mapping[str, Success]
    now: Mapping[Resource, Version] = field(default_factory=dict)
    listings: Listings = field(default_factory=Listings)
    fillings: Mapping[str, Filling] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """Whether no node runs."""
        return all(made.action in (Action.SKIP, Action.OMIT) for made in self.decisions.values())


@contextmanager
def opened(source: Source, target: str | None, run: RunInfo, access: Access) -> Iterator[OpenRun]:
    """Open a target for a run.

    Raises:
        SpecError: the spec is invalid.
        TargetError: the target cannot be reached, or has no warehouse for the run metadata.
    """
    spec, graph, ctx = source.load(target, run)
    if spec.environment is not None:
        if access.session is not None or access.factory is not None:
            raise UsageError("an environment opens its own sessions: leave out session and session_factory")
        prepare(spec, source.path, run.id)
    with access.logged_in(spec, source) as reached:
        sessions = reached.sessions(spec, source)
        try:
            with reached.records(spec, source) as records:
                yield OpenRun.on(source, run, (spec, graph, ctx), records, sessions)
        except KeyboardInterrupt:
            raise  # the second interrupt: closing the sessions would wait for running statements
        except BaseException as error:
            sessions.close()
            if number_of(error) == NO_WAREHOUSE:
                raise TargetError(
                    f"the connection of the target {spec.target_name!r} has no default warehouse, which the run metadata "
                    f"needs: set `warehouse` under targets.{spec.target_name}"
                ) from error
            raise
        sessions.close()


def _variables_of(past: PastRun, source: Source) -> dict[str, object]:
    """The variables of a run to continue: those that it started with, overridden by those given now.

    Raises:
        UsageError: a variable held a secret, which the run metadata does not store.
    """
    lost = [
        name for name, value in past.variables.items() if STARS in str(value) and name not in source.variables
    ]
    if lost:
        raise UsageError(
            f"the run {past.run.id} was given secrets, which are not stored: give {', '.join(lost)} again"
        )
    return {**past.variables, **source.variables}
