"""The Python API: :class:`Pipeline`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from snowpipe_ml.engine.events import Listener, Status
from snowpipe_ml.engine.plan.decisions import (
    Action,
    Decision,
    Success,
    decide,
    refuse_destruction,
    require_extras,
    resources_of,
)
from snowpipe_ml.engine.plan.fingerprint import Fingerprint, fingerprints
from snowpipe_ml.engine.plan.graph import Graph, build_graph, findings
from snowpipe_ml.engine.plan.selection import select as choose
from snowpipe_ml.engine.plan.versions import Versions
from snowpipe_ml.engine.records.history import History
from snowpipe_ml.engine.records.state import PastRun, State
from snowpipe_ml.engine.retry import NO_WAREHOUSE, number_of
from snowpipe_ml.engine.run.hooks import hook_reads, run_hooks
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.engine.run.run import Runner, new_run
from snowpipe_ml.engine.run.sessions import OneSession, Sessions, execute, execute_rows
from snowpipe_ml.errors import SpecError, TargetError, UsageError
from snowpipe_ml.packages import lock_path
from snowpipe_ml.plugins import Kind, PackageList, PlanContext, RunInfo, Server, StepPlan
from snowpipe_ml.spec.fanout import Rows
from snowpipe_ml.spec.loader import NO_RUN, Spec, load_spec
from snowpipe_ml.sql import Identifier, QualifiedName, Sql, like_pattern, sql
from snowpipe_ml.steps.declared.objects import WarehouseStep
from snowpipe_ml.text.redaction import STARS, is_secret_name

if TYPE_CHECKING:
    from snowflake.snowpark import Session

DEFAULT_THREADS = 4


@dataclass(frozen=True)
class PlannedStep:
    """A node of a plan.

    ``decision`` says whether and why the node would run; None if the plan was not compared with the target.
    """

    name: str
    type: str
    declared: bool
    needs: tuple[str, ...]
    plan: StepPlan
    decision: Decision | None = None


class Pipeline:
    """A pipeline that can be validated, planned and run.

    >>> pipeline = Pipeline.from_yaml("pipelines/citibike.yaml", vars={"horizon_days": 14})  # doctest: +SKIP
    >>> pipeline.run("local").ok  # doctest: +SKIP
    True
    """

    def __init__(self, path: Path, variables: Mapping[str, object]) -> None:
        self.path = path
        self.variables = dict(variables)

    @property
    def _base_dir(self) -> Path:
        return self.path.resolve().parent

    @classmethod
    def from_yaml(cls, path: str | Path, vars: Mapping[str, object] | None = None) -> Pipeline:
        """Create a pipeline from a spec file.

        Args:
            path: the spec. It is read by each method that needs it, not here.
            vars: values of ``vars`` that override those of the file.
        """
        return cls(Path(path), vars or {})

    def load(
        self,
        target: str | None = None,
        run: RunInfo = NO_RUN,
        rows: Rows | None = None,
        variables: Mapping[str, object] | None = None,
        *,
        whole: bool = False,
    ) -> tuple[Spec, Graph, PlanContext]:
        """Load the spec for a target, and build its graph and the context for planning.

        Args:
            target: the target's name; the default target if None.
            run: the identity of the run.
            rows: runs the queries of ``foreach``; without it, one node represents all of their items.
            variables: values for variables that the pipeline itself was given no value for.
            whole: check also that the files named in the spec exist, which only the steps that read
                them need.

        Raises:
            SpecError: the spec is invalid; holds every problem.
            UsageError: the target or a variable does not exist.
        """
        spec = load_spec(
            self.path, target=target, variables={**(variables or {}), **self.variables}, run=run, rows=rows
        )
        base = self.path.resolve().parent
        ctx = PlanContext(
            base_dir=base,
            cache_dir=base / ".snowpipe" / "cache",
            target=spec.target_name,
            scope=spec.scope,
            packages={
                name: PackageList(p.packages, p.artifact_repository)
                for name, p in spec.pipeline.packages.items()
            },
            lock_file=lock_path(self.path.resolve()),
        )
        graph, ctx, problems = build_graph(spec, ctx)
        # A step that could not be loaded is missing from the graph; do not blame the steps that need it.
        problems = [p for p in problems if not any(f"{name!r}" in p.message for name in spec.broken)]
        problems = spec.problems + problems
        if whole and graph is not None:
            problems += findings(spec, ctx, graph)
        if problems or graph is None:
            raise SpecError(sorted(set(problems), key=lambda p: (p.position.line, p.position.column)))
        return spec, graph, ctx

    def validate(self, target: str | None = None) -> Graph:
        """Check the whole spec and the files that it names, without a connection.

        Returns:
            The graph.

        Raises:
            SpecError: the spec is invalid; holds every problem.
        """
        return self.load(target, whole=True)[1]

    def graph(self, target: str | None = None) -> Graph:
        """Build the graph of the pipeline."""
        return self.load(target)[1]

    def plan(
        self,
        target: str | None = None,
        *,
        select: Iterable[str] = (),
        exclude: Iterable[str] = (),
        compare: bool = False,
        full_refresh: bool = False,
        run_date: date | None = None,
    ) -> list[PlannedStep]:
        """Plan a run: the nodes in order, and what each would do.

        Args:
            target: the target's name; the default target if None.
            select: the steps to select; all if empty.
            exclude: the steps to exclude.
            compare: connect to the target and decide which nodes would run or be skipped, and why.
                Without it, no connection is made.
            full_refresh: plan as if nothing had run before.
            run_date: the run date; today if None.

        Raises:
            SpecError: the spec is invalid.
            TargetError: the target cannot be reached.
        """
        run = new_run(run_date)
        spec, graph, ctx = self.load(target, run)
        decisions: Mapping[str, Decision] = {}
        if not compare:
            chosen, excluded = list(select), list(exclude)
            if chosen or excluded:
                graph = choose(graph, chosen, excluded, also_read=hook_reads(spec))
        elif spec.target.is_empty(self._base_dir):
            graph = (
                choose(graph, select, exclude, lambda: set(graph.nodes), hook_reads(spec))
                if select or exclude
                else graph
            )
            decisions = decide(graph, ctx, fingerprints(graph, ctx, run), {}, {}, refresh=full_refresh)
        else:
            session = opener(spec, self.path)()
            try:
                if spec.fanned:
                    spec, graph, ctx = self.load(target, run, partial(execute_rows, session))
                state = State(session, state_schema(spec, session))
                prints = fingerprints(graph, ctx, run)
                graph, decisions, _ = self._decided(
                    spec, graph, ctx, prints, state, select, exclude, full_refresh
                )
            finally:
                session.close()
        return [
            PlannedStep(
                name,
                node.step.type_name,
                node.declared,
                tuple(graph.needs(name)),
                node.step.plan(ctx),
                decisions.get(name),
            )
            for name, node in graph.nodes.items()
        ]

    @staticmethod
    def _decided(
        spec: Spec,
        whole: Graph,
        ctx: PlanContext,
        prints: Mapping[str, Fingerprint],
        state: State,
        select: Iterable[str],
        exclude: Iterable[str],
        full_refresh: bool,
    ) -> tuple[Graph, Mapping[str, Decision], Mapping[str, Success]]:
        """The selected part of the graph, the decisions for its nodes, and their last successes."""
        past = state.successes(spec.pipeline.name, spec.target_name)

        def modified() -> set[str]:
            return {
                name
                for name, now in prints.items()
                if name not in past or past[name].fingerprint != now.whole
            }

        chosen, excluded = list(select), list(exclude)
        graph = choose(whole, chosen, excluded, modified, hook_reads(spec)) if chosen or excluded else whole
        now = Versions(state.session, state.sleep).of(resources_of(graph, past))
        written = state.written(spec.pipeline.name, spec.target_name)
        return graph, decide(graph, ctx, prints, past, now, refresh=full_refresh, written=written), past

    def run(
        self,
        target: str | None = None,
        *,
        session: Session | None = None,
        listeners: Iterable[Listener] = (),
        threads: int = DEFAULT_THREADS,
        select: Iterable[str] = (),
        exclude: Iterable[str] = (),
        resume: str | bool = False,
        fail_fast: bool = False,
        full_refresh: bool = False,
        allow_destructive: bool = False,
        run_date: date | None = None,
    ) -> RunResult:
        """Run the steps that have changed; see :mod:`snowpipe_ml.engine.plan.decisions` for when a step runs.

        Args:
            target: the target's name; the default target if None.
            session: an open Session of the caller's, on which all steps run one after the other; the
                target then only determines the values of the spec.
            listeners: called with every event.
            threads: how many steps may run at once.
            select: the steps to run, in the grammar of :mod:`snowpipe_ml.engine.plan.selection`;
                all if empty.
            exclude: the steps to exclude.
            resume: resume a run that failed or was killed: its id, or True for the last one. The run keeps
                its id.
            fail_fast: stop scheduling new steps after the first failure.
            full_refresh: run every step, changed or not.
            allow_destructive: replace tables on Snowflake even if no run of this pipeline created them.
            run_date: the run date, such as a scheduler's logical date: ``run.date`` in the spec,
                RUN_DATE in the metrics; today if None. A resumed run keeps its own.

        Returns:
            The result of the run and of each step. A failed step does not raise an exception.

        Raises:
            SpecError: the spec is invalid.
            UsageError: nothing is selected, there is nothing to resume, the run date differs from
                that of the resumed run, or a table would be destroyed.
            TargetError: the target cannot be reached.
            LockedError: another run or process holds the target.
        """
        from snowflake.snowpark.exceptions import SnowparkSQLException

        run, variables = new_run(run_date), self.variables
        spec, whole, ctx = self.load(target, run)
        sessions: Sessions = (
            OneSession(session) if session is not None else Sessions(opener(spec, self.path, make=True))
        )
        try:
            with sessions.session() as records:
                state = State(records, state_schema(spec, records))
                past = self._past(state, spec, resume) if resume else None
                if past is not None:
                    if run_date is not None and run_date != past.run.date:
                        raise UsageError(
                            f"the run {past.run.id} has the run date {past.run.date}: it cannot be resumed for {run_date}"
                        )
                    run, variables = past.run, self._resumed(past)
                if past is not None or spec.fanned:
                    spec, whole, ctx = self.load(target, run, partial(execute_rows, records), variables)
                state.prepare()
                lock = state.lock(spec.pipeline.name, spec.target_name, run.id)
                with lock.held():
                    prints = fingerprints(whole, ctx, run)
                    graph, decisions, known = self._decided(
                        spec, whole, ctx, prints, state, select, exclude, full_refresh
                    )
                    if spec.target.guards_tables and past is None and not allow_destructive:
                        refuse_destruction(decisions)
                    require_extras(graph, decisions)
                    runner = Runner(
                        pipeline=spec.pipeline.name,
                        graph=graph,
                        plan=ctx,
                        run=run,
                        sessions=sessions,
                        threads=1 if session is not None else threads,
                        state=state,
                        tags=spec.pipeline.tags,
                        default_warehouse=spec.target.default_warehouse,
                        listeners=tuple(listeners),
                        fingerprints=prints,
                        resumed=past is not None,
                        fail_fast=fail_fast,
                        reused={name: known[name].run_id for name, found in decisions.items() if found.skips},
                        omitted={
                            n: found.reason for n, found in decisions.items() if found.action is Action.OMIT
                        },
                        lock=lock,
                    )
                    result = runner.execute(_recorded(spec, graph, run, variables))
                run_hooks(spec, result, records)
        except SnowparkSQLException as error:
            sessions.close()
            if number_of(error) == NO_WAREHOUSE:
                raise TargetError(
                    f"the connection of the target {spec.target_name!r} has no default warehouse, which the run metadata "
                    f"needs: set `warehouse` under targets.{spec.target_name}"
                ) from error
            raise
        except KeyboardInterrupt:
            raise  # the second interrupt: closing the sessions would wait for running statements
        except BaseException:
            sessions.close()
            raise
        sessions.close()
        return result

    @staticmethod
    def _past(state: State, spec: Spec, resume: str | bool) -> PastRun:
        """The run to resume."""
        name = resume if isinstance(resume, str) else None
        past = state.past_run(spec.pipeline.name, spec.target_name, name)
        if past is None:
            which = f"no run {name!r}" if name else "no run"
            raise UsageError(
                f"{which} of {spec.pipeline.name} on {spec.target_name}: there is nothing to resume"
            )
        if past.status is Status.SUCCESS:
            raise UsageError(f"the run {past.run.id} succeeded: there is nothing to resume")
        return past

    def _resumed(self, past: PastRun) -> dict[str, object]:
        """The variables of a resumed run: those that it started with, overridden by those given now.

        Raises:
            UsageError: a variable held a secret, which the run metadata does not store.
        """
        lost = [
            name
            for name, value in past.variables.items()
            if STARS in str(value) and name not in self.variables
        ]
        if lost:
            raise UsageError(
                f"the run {past.run.id} was given secrets, which are not stored: give {', '.join(lost)} again"
            )
        return {**past.variables, **self.variables}

    def session(self, target: str | None = None) -> Session:
        """Open a Session on a target, in its database and schema."""
        spec, _, _ = self.load(target)
        return opener(spec, self.path)()

    def serve(self, target: str | None = None, port: int = 0) -> AbstractContextManager[Server]:
        """Serve a target to Snowflake's own clients, while the context is open.

        Args:
            target: the target's name; the default target if None.
            port: the port on 127.0.0.1; any free one if 0.

        Raises:
            UsageError: the target is not a local one.
            TargetError: the port is in use.
        """
        spec, _, _ = self.load(target)
        return spec.target.serve(self._base_dir, port)

    @contextmanager
    def history(self, target: str | None = None) -> Iterator[History]:
        """Open the history of the pipeline on a target; its Session is closed when the context exits.

        Raises:
            SpecError: the spec is invalid.
            TargetError: the target cannot be reached.
        """
        spec, _, _ = self.load(target)
        session = opener(spec, self.path)()
        try:
            yield History(State(session, state_schema(spec, session)), spec.pipeline.name, spec.target_name)
        finally:
            session.close()

    def last_run(self, target: str | None = None) -> list[dict[str, object]]:
        """Return the step records of the last run on a target; empty if there was none."""
        spec, _, _ = self.load(target)
        session = opener(spec, self.path)()
        try:
            return State(session, state_schema(spec, session)).last_run(spec.pipeline.name)
        finally:
            session.close()


def _is_secret(path: tuple[str | int, ...]) -> bool:
    """Return whether a value of the spec belongs to a variable with the name of a secret."""
    of_vars = path[0] == "vars" or (path[0] == "targets" and path[2:3] == ("vars",))
    return of_vars and any(is_secret_name(str(part)) for part in path)


def _recorded(spec: Spec, graph: Graph, run: RunInfo, variables: Mapping[str, object]) -> dict[str, object]:
    """The details that the state store keeps about the start of a run."""
    text = "\n".join(spec.document.shown_lines(_is_secret))
    writes = {str(r.name) for node in graph.nodes.values() for r in node.writes if r.kind is Kind.TABLE}
    values = json.loads(json.dumps(variables, default=str))
    given = "".join(
        f"\n# given for this run: {name}: {json.dumps(value)}" for name, value in sorted(values.items())
    )
    return {
        "spec": str(spec.document.file),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "text": text + given,
        "writes": sorted(writes),
        "run_date": str(run.date),
        "variables": values,
    }


def opener(spec: Spec, path: Path, *, make: bool = False) -> Callable[[], Session]:
    """Return a function that opens Sessions on a spec's target.

    Args:
        spec: the spec.
        path: its file.
        make: create the default warehouse if the spec declares it and it does not exist, as a run does.
    """
    target, base = spec.target, path.resolve().parent
    declared = {Identifier.parse(name): name for name in spec.pipeline.warehouses}
    own = declared.get(target.default_warehouse) if target.default_warehouse is not None else None
    given = None if own is not None else target.default_warehouse

    def open_session() -> Session:
        session = target.open_session(base, given)
        if own is not None:
            _use_declared(
                session, WarehouseStep(f"warehouses.{own}", own, spec.pipeline.warehouses[own]), make
            )
        return session

    return open_session


def _use_declared(session: Session, warehouse: WarehouseStep, make: bool) -> None:
    """Use the default warehouse that the spec declares; the state store needs one before the first step."""
    shown = execute_rows(session, Sql(f"SHOW WAREHOUSES LIKE {like_pattern(warehouse.object).sql}"))
    if not any(row["name"] == warehouse.object.name for row in shown):
        if not make:
            return
        execute(session, warehouse.create_if_missing())
    execute(session, sql("USE WAREHOUSE {name}", name=warehouse.object))


def state_schema(spec: Spec, session: Session) -> QualifiedName:
    """The schema of the state store, in the current database of the Session."""
    current = session.get_current_database()
    database = QualifiedName.parse(current).name if current else spec.target.database
    return QualifiedName((database, spec.pipeline.state))
