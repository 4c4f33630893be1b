"""The DAG of a pipeline, and the same as a group of tasks in another DAG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from airflow.sdk import DAG, TaskGroup, XComArg

from snowpipe_ml.engine.pipeline import DEFAULT_THREADS, Pipeline
from snowpipe_ml.engine.plan.tasks import Task
from snowpipe_ml.engine.run.parts import LASTS
from snowpipe_ml.errors import UsageError
from snowpipe_ml.integrations.airflow.operators import (
    BeginRun,
    FinishRun,
    ItemsOf,
    RunPipeline,
    RunStep,
    Source,
    WatchStep,
    assets_of,
)

Mode = Literal["tasks", "watch"]


class PipelineDag(DAG):
    """The DAG of a pipeline. Drawing it makes no connection.

    Args:
        spec: the spec file, absolute or relative to the DAG's file's current folder.
        target: the target's name; the default target if None.
        dag_id: the DAG's id; by default the pipeline's name.
        mode: ``tasks``, a task and process for each step; or ``watch``, one task that runs all steps, and others
            that show them.
        vars: values of variables.
        select: the steps of the DAG; all if empty.
        exclude: the steps to leave out.
        conn_id: a connection of Airflow for the Sessions; by default, the target of the spec opens them.
        retries: how often a task is retried after a transient error; by default as often as its step says.
        retry_delay: the delay before each retry.
        lasts: with ``tasks``, the longest time that no task of a DAG run may run.
        threads: with ``watch``, how many steps may run at once.
        **kwargs: arguments of the DAG, such as ``schedule`` and ``start_date``.

    Raises:
        SpecError: the spec is invalid.
        UsageError: nothing is selected, or the mode is unknown.
    """

    def __init__(
        self,
        spec: str | Path,
        target: str | None = None,
        *,
        dag_id: str | None = None,
        mode: Mode = "tasks",
        vars: Mapping[str, object] | None = None,
        select: Iterable[str] = (),
        exclude: Iterable[str] = (),
        conn_id: str | None = None,
        retries: int | None = None,
        retry_delay: timedelta = timedelta(seconds=30),
        lasts: timedelta = LASTS,
        threads: int = DEFAULT_THREADS,
        **kwargs: Any,
    ) -> None:
        pipeline = Pipeline.from_yaml(spec, vars)
        loaded = pipeline.load(target)[0]
        kwargs.setdefault("description", loaded.pipeline.description or None)
        kwargs.setdefault("catchup", False)
        kwargs.setdefault("max_active_runs", 1)  # one run of a pipeline per target at a time
        DAG.__init__(self, dag_id or loaded.pipeline.name, **kwargs)
        with self:
            pipeline_tasks(
                spec,
                target,
                mode=mode,
                vars=vars,
                select=select,
                exclude=exclude,
                conn_id=conn_id,
                retries=retries,
                retry_delay=retry_delay,
                lasts=lasts,
                threads=threads,
            )


def pipeline_tasks(
    spec: str | Path,
    target: str | None = None,
    *,
    group_id: str | None = None,
    mode: Mode = "tasks",
    vars: Mapping[str, object] | None = None,
    select: Iterable[str] = (),
    exclude: Iterable[str] = (),
    conn_id: str | None = None,
    retries: int | None = None,
    retry_delay: timedelta = timedelta(seconds=30),
    lasts: timedelta = LASTS,
    threads: int = DEFAULT_THREADS,
) -> TaskGroup | None:
    """Add the tasks of a pipeline to the current DAG, in a group if ``group_id`` is given, which is returned.

    The other arguments and the errors are those of :class:`PipelineDag`.
    """
    if mode not in ("tasks", "watch"):
        raise UsageError(f"mode must be 'tasks' or 'watch', not {mode!r}")
    source = Source(
        str(Path(spec).resolve()), target, dict(vars or {}), tuple(select), tuple(exclude), conn_id
    )
    pipeline = source.pipeline
    loaded = pipeline.load(target)[0]
    place = f"{loaded.pipeline.name}/{loaded.target_name}"
    found = pipeline.tasks(target, select=source.select, exclude=source.exclude)

    def options(task: Task) -> dict[str, Any]:
        return {
            "task_id": task.name,
            "retries": task.retries if retries is None else retries,
            "retry_delay": retry_delay,
            # A step after one that was omitted decides by itself whether it can run; the rule of those after the
            # task that begins the run must be this one.
            "trigger_rule": "none_failed" if task.needs else "all_success",
            "doc_md": task.description or None,
            "outlets": assets_of(task, place),
        }

    def draw() -> None:
        most = max((task.retries for task in found), default=0) if retries is None else retries
        retried = {"retries": most, "retry_delay": retry_delay}
        if mode == "tasks":
            _draw_tasks(source, found, options, lasts, retried)
        else:
            _draw_watchers(source, found, options, threads, retried)

    if group_id is None:
        draw()
        return None
    with TaskGroup(group_id) as group:
        draw()
    return group


def _draw_tasks(
    source: Source, found: Iterable[Task], options: Any, lasts: timedelta, retried: Mapping[str, Any]
) -> None:
    begin = BeginRun(task_id="begin", source=source, lasts=lasts, **retried)
    finish = FinishRun(task_id="finish", source=source, begin=begin.task_id, **retried)
    made: dict[str, Any] = {}
    for task in found:
        given = options(task)
        shared = {"source": source, "begin": begin.task_id, "assets": given["outlets"]}
        if task.foreach:
            mapped = RunStep.partial(**given, **shared, map_index_template="{{ task.step }}")
            made[task.name] = mapped.expand(step=_items(task, begin))
        else:
            made[task.name] = RunStep(**given, **shared, step=task.name)
    needed = {need for task in found for need in task.needs}
    for task in found:
        above = [made[need] for need in task.needs]
        made[task.name].set_upstream(above or [begin])
        if task.name not in needed:
            made[task.name].set_downstream(finish)
    finish.as_teardown(setups=begin)


def _items(task: Task, begin: BeginRun) -> Any:
    """The nodes of a step with ``foreach``: those of a list are known, those of a query when the run begins."""
    if not any(node.endswith("[...]") for node in task.nodes):
        return list(task.nodes)
    items = ItemsOf(task_id=f"{task.name}_items", step=task.name, begin=begin.task_id)
    begin.set_downstream(items)
    return XComArg(items)


def _draw_watchers(
    source: Source, found: Iterable[Task], options: Any, threads: int, retried: Mapping[str, Any]
) -> None:
    run = RunPipeline(task_id="run", source=source, threads=threads, **retried)
    made: dict[str, Any] = {}
    for task in found:
        given = options(task)
        made[task.name] = WatchStep(**given, step=task.name, producer=run.task_id, assets=given["outlets"])
    for task in found:
        made[task.name].set_upstream([made[need] for need in task.needs])
