"""The Python API: :class:`Pipeline`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from snowpipe_ml.engine.events import Listener
from snowpipe_ml.engine.plan.selection import select as choose
from snowpipe_ml.engine.plan.tasks import Task, tasks
from snowpipe_ml.engine.run.backfill import Backfill
from snowpipe_ml.engine.run.ending import cancel as cancel_run
from snowpipe_ml.engine.run.ending import cancel_unfinished, finish, finish_when_done
from snowpipe_ml.engine.run.handle import RunHandle
from snowpipe_ml.engine.run.hooks import hook_reads
from snowpipe_ml.engine.run.inspected import Inspected
from snowpipe_ml.engine.run.opened import Access, SessionFactory
from snowpipe_ml.engine.run.outcome import RunResult, StepOutcome
from snowpipe_ml.engine.run.parts import LASTS, begin, find, run_part
from snowpipe_ml.engine.run.whole import Ended, What, run_whole
from snowpipe_ml.spec.environments import environment_name

if TYPE_CHECKING:
    from snowflake.snowpark import Session

DEFAULT_THREADS = 4


class Pipeline(Inspected):
    """A pipeline that can be validated, planned and run.

    Example:
        >>> pipeline = Pipeline.from_yaml("pipelines/citibike.yaml", vars={"horizon_days": 14})  # doctest: +SKIP
        >>> pipeline.run("local").ok  # doctest: +SKIP
        True
    """

    @classmethod
    def from_yaml(
        cls, path: str | Path, vars: Mapping[str, object] | None = None, env: str | None = None
    ) -> Pipeline:
        """Create a pipeline from a spec file.

        Args:
            path: the spec. It is read by each method that needs it, not here.
            vars: values of ``vars`` that override those of the file.
            env: the environment of the target to work in, as its name is written in SQL. The first run makes it, by
                cloning the schemas that the outputs are in.

        Raises:
            UsageError: `env` is not a name.
        """
        return cls(Path(path), vars or {}, None if env is None else environment_name(env))

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
        run_key: str | None = None,
        backfill: str | None = None,
        by: str | None = None,
        session_factory: SessionFactory | None = None,
        cancel: Event | None = None,
        ended: Ended | None = None,
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
            run_key: what identifies the run for the caller. A run with the same key that did not succeed is
                resumed.
            backfill: the interval to compute of the incremental tables with ``since``, instead of their new rows:
                ``2022-01-01..2022-04-01``, without its end. What earlier backfills have computed is not computed
                again, unless ``full_refresh`` is set. A resumed run keeps its own.
            by: the unit of the intervals that ``backfill`` is split into: ``hour``, ``day``, ``week``, ``month``,
                ``quarter`` or ``year``. Each is committed by itself.
            session_factory: opens Sessions on the target; by default, the target of the spec does.
            cancel: stops the run when it is set, as Ctrl-C and SIGTERM do.
            ended: called with the history of runs when the run has ended, on the connection of the run.

        Returns:
            The result of the run and of each step. A failed step does not raise an exception.

        Raises:
            SpecError: the spec is invalid.
            UsageError: nothing is selected, there is nothing to resume, the run date or the backfill differs from
                that of the resumed run, no step can be computed by intervals, or a table would be destroyed.
            TargetError: the target cannot be reached.
            LockedError: another run or process holds the target.
        """
        what = What(
            run_date,
            tuple(select),
            tuple(exclude),
            full_refresh,
            allow_destructive,
            run_key,
            Backfill.of(backfill, by),
        )
        return run_whole(
            self,
            target,
            Access(session, session_factory),
            what,
            listeners=listeners,
            threads=threads,
            resume=resume,
            fail_fast=fail_fast,
            stop=cancel,
            ended=ended,
        )

    def tasks(
        self, target: str | None = None, *, select: Iterable[str] = (), exclude: Iterable[str] = ()
    ) -> list[Task]:
        """Return the tasks of a run, in an order in which they can run, without a connection.

        A task is a step with all its items, a source, or the declared objects together.

        Args:
            target: the target's name; the default target if None.
            select: the steps to select; all if empty.
            exclude: the steps to exclude.

        Raises:
            SpecError: the spec is invalid.
            UsageError: nothing is selected, or the items of a ``foreach`` cannot be one task.
        """
        spec, graph, ctx = self.load(target)
        chosen, excluded = list(select), list(exclude)
        if chosen or excluded:
            graph = choose(graph, chosen, excluded, also_read=hook_reads(spec))
        return tasks(graph, ctx, spec.fanned)

    def begin_run(
        self,
        target: str | None = None,
        *,
        run_date: date | None = None,
        select: Iterable[str] = (),
        exclude: Iterable[str] = (),
        run_key: str | None = None,
        lasts: timedelta = LASTS,
        full_refresh: bool = False,
        allow_destructive: bool = False,
        is_over: Callable[[str], bool] | None = None,
        resume_canceled: bool = True,
        session: Session | None = None,
        session_factory: SessionFactory | None = None,
    ) -> RunHandle:
        """Begin a run whose steps are run one by one, with :meth:`run_step`.

        The run holds the lock of the pipeline and target until :meth:`finish_run` or :meth:`cancel`. Each
        step that runs renews it.

        Args:
            target: the target's name; the default target if None.
            run_date: the run date, such as a scheduler's logical date; today if None.
            select: the steps of the run; all if empty.
            exclude: the steps to exclude.
            run_key: what identifies the run for the caller, such as the id of an orchestrator's run. A run
                that was begun with the same key is continued, with its id: as it is if it still runs, and
                like a resumed run if it failed.
            lasts: for how long the lock is held if no step renews it, such as the longest time that tasks
                may wait for a worker.
            full_refresh: run every step, changed or not.
            allow_destructive: replace tables on Snowflake even if no run of this pipeline created them.
            is_over: tells whether the run with a key is over for the caller although it was never finished, as
                that of an orchestrator whose process was killed. It is called with the key of the run that
                holds the lock. That run is then canceled, and does not hold the lock until it expires.
            resume_canceled: whether a run with this key that was canceled is resumed.
            session: an open Session of the caller's.
            session_factory: opens Sessions on the target; by default, the target of the spec does.

        Returns:
            The handle of the run, for any process.

        Raises:
            SpecError: the spec is invalid.
            UsageError: nothing is selected, the run with this key has another run date or was canceled, or a table
                would be destroyed.
            TargetError: the target cannot be reached.
            LockedError: another run or process holds the target.
        """
        what = What(run_date, tuple(select), tuple(exclude), full_refresh, allow_destructive, run_key)
        access = Access(session, session_factory)
        return begin(self, target, access, what, lasts, is_over, resume_canceled=resume_canceled)

    def find_run(
        self,
        run_key: str,
        target: str | None = None,
        *,
        session: Session | None = None,
        session_factory: SessionFactory | None = None,
    ) -> RunHandle | None:
        """Return the handle of the run that was begun with a key, as it is; None if there is none.

        Args:
            run_key: the key.
            target: the target's name; the default target if None.
            session: an open Session of the caller's.
            session_factory: opens Sessions on the target; by default, the target of the spec does.

        Raises:
            SpecError: the spec is invalid.
            TargetError: the target cannot be reached.
        """
        return find(self, target, Access(session, session_factory), run_key)

    def run_step(
        self,
        handle: RunHandle | Mapping[str, object],
        name: str,
        session: Session | None = None,
        listeners: Iterable[Listener] = (),
        cancel: Event | None = None,
        *,
        session_factory: SessionFactory | None = None,
        threads: int = DEFAULT_THREADS,
        retries: int | None = None,
    ) -> StepOutcome:
        """Run a task of a run that was begun, in this process.

        Tasks may run at the same time in several processes. The step is skipped if it is unchanged, or if
        a step that it needs failed. A task that failed or was killed can be run again, also after its
        statements were left running on the target: these are canceled first.

        Args:
            handle: what :meth:`begin_run` returned, or its ``to_json()``.
            name: the name of a task: see :meth:`tasks`. One item of a ``foreach`` has a name such as
                ``load[north]``.
            session: an open Session of the caller's.
            listeners: called with the events of the step.
            cancel: cancels the step when it is set, as Ctrl-C and SIGTERM do.
            session_factory: opens Sessions on the target; by default, the target of the spec does.
            threads: how many nodes of the task may run at once.
            retries: how often the step is retried here after a transient error, instead of ``retries`` of
                its settings: 0 if the orchestrator retries its task.

        Returns:
            The outcome. A failed step does not raise an exception.

        Raises:
            SpecError: the spec is invalid.
            UsageError: the run has no such task, or a task that it needs has not ended.
            TargetError: the target cannot be reached.
            LockedError: the run has ended, or another run has taken its lock over.
        """
        return run_part(
            self,
            RunHandle.from_json(handle),
            name,
            Access(session, session_factory),
            listeners=listeners,
            cancel=cancel,
            threads=threads,
            retries=retries,
        )

    def finish_run(
        self,
        handle: RunHandle | Mapping[str, object],
        *,
        listeners: Iterable[Listener] = (),
        session: Session | None = None,
        session_factory: SessionFactory | None = None,
    ) -> RunResult:
        """Finish a run that was begun: record its status, release its lock, and run the hooks.

        Steps that never ran are recorded as skipped. A run that is finished already stays as it is.

        Args:
            handle: what :meth:`begin_run` returned, or its ``to_json()``.
            listeners: called with the events of the end.
            session: an open Session of the caller's.
            session_factory: opens Sessions on the target; by default, the target of the spec does.

        Returns:
            The result of the run and of each step.

        Raises:
            SpecError: the spec is invalid.
            UsageError: the run was never begun on this target.
            TargetError: the target cannot be reached.
        """
        return finish(self, RunHandle.from_json(handle), Access(session, session_factory), listeners)

    def finish_when_done(
        self,
        handle: RunHandle | Mapping[str, object],
        *,
        gates: Mapping[str, Collection[str]] | None = None,
        listeners: Iterable[Listener] = (),
        session: Session | None = None,
        session_factory: SessionFactory | None = None,
    ) -> RunResult | None:
        """Finish a run if every step has ended or needs one that failed; return None if any is left to run.

        For orchestrators that run nothing after their last task. The other arguments and the errors are those of
        :meth:`finish_run`.

        Args:
            handle: what :meth:`begin_run` returned, or its ``to_json()``.
            gates: the tasks that the orchestrator does not run if another task fails, by that task, beyond
                those that need it.
            listeners: called with the events of the end.
            session: an open Session of the caller's.
            session_factory: opens Sessions on the target; by default, the target of the spec does.
        """
        access = Access(session, session_factory)
        return finish_when_done(self, RunHandle.from_json(handle), access, listeners, gates or {})

    def cancel(
        self,
        handle: RunHandle | Mapping[str, object],
        *,
        listeners: Iterable[Listener] = (),
        session: Session | None = None,
        session_factory: SessionFactory | None = None,
    ) -> RunResult:
        """Cancel the running steps of a run on its target, in whichever processes they are, and finish it.

        The arguments and errors are those of :meth:`finish_run`.
        """
        return cancel_run(self, RunHandle.from_json(handle), Access(session, session_factory), listeners)

    def cancel_run(
        self,
        target: str | None = None,
        run_id: str | None = None,
        *,
        listeners: Iterable[Listener] = (),
        session: Session | None = None,
        session_factory: SessionFactory | None = None,
    ) -> RunResult | None:
        """Cancel a run without its handle, whoever began it: a command, an orchestrator or a graph of tasks.

        What runs of it on the target is canceled, its lock is released, and it is recorded as canceled. Its process,
        if it still runs, starts no further steps.

        Args:
            target: the target's name; the default target if None.
            run_id: the run; by default the one that has the lock, and otherwise the last one.
            listeners: called with the events of the end.
            session: an open Session of the caller's.
            session_factory: opens Sessions on the target; by default, the target of the spec does.

        Returns:
            The result of the run and of each step; None if the run has ended, or there is none.

        Raises:
            SpecError: the spec is invalid.
            UsageError: the run id is unknown.
            TargetError: the target cannot be reached.
            LockedError: a statement of the run was canceled, and does not end.
        """
        return cancel_unfinished(self, target, Access(session, session_factory), listeners, run_id)
