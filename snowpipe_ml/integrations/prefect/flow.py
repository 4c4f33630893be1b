"""The flow of a pipeline, and its tasks."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import Flow, flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.assets import Asset, materialize
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Completed, State
from prefect.task_runners import ThreadPoolTaskRunner

from snowpipe_ml.engine.events import Status
from snowpipe_ml.engine.pipeline import DEFAULT_THREADS, Pipeline
from snowpipe_ml.engine.plan.tasks import Task
from snowpipe_ml.engine.run.opened import SessionFactory
from snowpipe_ml.engine.run.outcome import RunResult, StepOutcome
from snowpipe_ml.errors import StepError
from snowpipe_ml.integrations.prefect.connection import SnowflakeConnection
from snowpipe_ml.plugins import Kind
from snowpipe_ml.ui.report import last_report

_KEY = "prefect:"
_LASTS = timedelta(minutes=15)  # between two tasks of a process that was not killed


class StepFailedError(StepError):
    """A step of the pipeline failed.

    Attributes:
        transient: whether a retry can help.
    """

    def __init__(self, outcome: StepOutcome) -> None:
        super().__init__(f"{outcome.name}: {outcome.message}")
        self.transient = outcome.transient


def pipeline_flow(
    spec: str | Path,
    target: str | None = None,
    *,
    vars: Mapping[str, object] | None = None,
    select: Iterable[str] = (),
    exclude: Iterable[str] = (),
    name: str | None = None,
    retries: int | None = None,
    retry_delay_seconds: float = 10,
    threads: int = DEFAULT_THREADS,
    session_factory: SessionFactory | None = None,
    connection: str | None = None,
) -> Flow[..., Any]:
    """Return the flow of a pipeline: a task for each step. No connection is made.

    The flow has the parameter ``run_date``, the run date; today if it is not given. A task is Completed with the
    state name ``Reused`` if its step is unchanged, and ``Omitted`` if it is omitted.

    Args:
        spec: the spec file.
        target: the target's name; the default target if None.
        vars: values of variables.
        select: the steps of the flow; all if empty.
        exclude: the steps to leave out.
        name: the flow's name; by default that of the pipeline.
        retries: how often a task is retried after a transient error; by default as often as its step says.
        retry_delay_seconds: the delay before each retry.
        threads: how many steps may run at once.
        session_factory: opens Sessions on the target; by default, the target of the spec does.
        connection: the name of a block :class:`SnowflakeConnection`, which then opens the Sessions.

    Raises:
        SpecError: the spec is invalid.
        UsageError: nothing is selected.
    """
    pipeline = Pipeline.from_yaml(spec, vars)
    chosen, excluded = tuple(select), tuple(exclude)
    found = pipeline.tasks(target, select=chosen, exclude=excluded)
    loaded = pipeline.load(target)[0]
    of_pipeline = loaded.pipeline.name
    place = f"{of_pipeline}/{loaded.target_name}"

    def factory() -> SessionFactory | None:
        if connection is None:
            return session_factory
        block: Any = SnowflakeConnection.load(connection)
        return block.session

    made = {
        item.name: _task(
            pipeline, item, place, item.retries if retries is None else retries, retry_delay_seconds
        )
        for item in found
    }

    @flow(
        name=name or of_pipeline,
        description=loaded.pipeline.description or None,
        task_runner=ThreadPoolTaskRunner(max_workers=threads),
    )
    def run_pipeline(run_date: date | None = None) -> str:
        opens = factory()
        handle = pipeline.begin_run(
            target,
            run_date=run_date,
            run_key=f"{_KEY}{flow_run.id}",
            lasts=_LASTS + timedelta(seconds=retry_delay_seconds),
            is_over=_is_over,
            select=chosen,
            exclude=excluded,
            session_factory=opens,
        )
        futures: dict[str, Any] = {}
        ended = False
        try:
            for item in found:
                above = [futures[need] for need in item.needs if need in futures]
                futures[item.name] = made[item.name].submit(handle.to_json(), opens, wait_for=above)
            for future in futures.values():
                future.wait()
            ended = True
        finally:
            # An interrupted flow: SIGTERM raises an exception in it.
            end = pipeline.finish_run if ended else pipeline.cancel
            result = end(handle, session_factory=opens)
            _show(pipeline, target, of_pipeline, result, with_report=opens is None)
        failed = [step for step in result.steps.values() if step.status is Status.FAILED]
        if not result.ok:
            raise StepError(
                "; ".join(f"{step.name}: {step.message}" for step in failed) or "a step never ran"
            )
        return result.run.id

    return run_pipeline


def _is_over(key: str) -> bool:
    """Return whether the flow run of a key has ended, and has left its run unfinished."""
    if not key.startswith(_KEY):
        return False
    with get_client(sync_client=True) as client:
        try:
            found = client.read_flow_run(UUID(key.removeprefix(_KEY)))
        except ObjectNotFound:
            return False
    return found.state is not None and found.state.is_final()


def _task(pipeline: Pipeline, item: Task, place: str, retries: int, delay: float) -> Any:
    """The task of Prefect for a task of the pipeline."""

    def run_step(handle: dict[str, Any], session_factory: SessionFactory | None) -> State[Any]:
        logger = get_run_logger()
        outcome = pipeline.run_step(handle, item.name, session_factory=session_factory, retries=0)
        for warning in outcome.warnings:
            logger.warning(warning)
        if outcome.status in (Status.FAILED, Status.SKIPPED):
            raise StepFailedError(outcome)
        _describe(assets, outcome)
        return Completed(
            name=_STATES[outcome.status], message=outcome.message or None, data=outcome.to_dict()
        )

    assets = _assets(item, place)
    decorate: Callable[..., Any] = (
        materialize(*assets, **_options(item, retries, delay))
        if assets
        else task(**_options(item, retries, delay))
    )
    return decorate(run_step)


_STATES = {Status.SUCCESS: "Completed", Status.REUSED: "Reused", Status.OMITTED: "Omitted"}


def _options(item: Task, retries: int, delay: float) -> dict[str, Any]:
    def can_help(task: Any, task_run: Any, state: State[Any]) -> bool:
        error = state.result(raise_on_failure=False)
        return bool(getattr(error, "transient", True))

    return {
        "name": item.name,
        "task_run_name": item.name,
        "description": item.description or None,
        "tags": list(item.tags),
        "retries": retries,
        "retry_delay_seconds": delay,
        "retry_condition_fn": can_help,
        "cache_policy": None,  # whether a step is unchanged, the target says
        "persist_result": False,
    }


def _assets(item: Task, place: str) -> list[Asset]:
    """The tables that a task writes."""
    tables = [resource for resource in item.writes if resource.kind is Kind.TABLE]
    return [Asset(key=f"snowflake://{place}/{str(table.name).replace('.', '/').lower()}") for table in tables]


def _describe(assets: Iterable[Asset], outcome: StepOutcome) -> None:
    for asset in assets:
        name = asset.key.rpartition("/")[2]
        versions = [v for v in outcome.outputs if v[1].rpartition(".")[2].lower() == name]
        for _, _, token, rows in versions:
            asset.add_metadata({"rows": rows, "version": token, **outcome.metrics})


def _show(pipeline: Pipeline, target: str | None, name: str, result: RunResult, *, with_report: bool) -> None:
    """Create the artifacts of a run: the table of its steps, its plots, and the link of its report."""
    key = name.lower().replace("_", "-")
    create_table_artifact(
        [
            {
                "step": step.name,
                "status": step.status.value,
                "rows": step.rows,
                "seconds": round(step.seconds, 3),
                "message": step.message,
            }
            for step in result.steps.values()
        ],
        key=f"{key}-steps",
        description=f"run {result.run.id} of {name} for {result.run.date}: {result.status.value}",
    )
    text = [
        f"# Run {result.run.id}",
        f"{result.status.value}, in {result.seconds:.1f} s, for {result.run.date}",
    ]
    if with_report:
        # The report is read through the target of the spec, which may lack the credentials of the flow.
        try:
            path = last_report(pipeline, target, result.run.id)
            text.append(f"[Report]({path.as_uri()})")
        except Exception as error:  # the flow must end with its own result in any case
            get_run_logger().warning("the report could not be written: %s", error)
    for step in result.steps.values():
        pictures: Any = step.work.get("pictures") or ()
        for picture in pictures:
            data = base64.b64encode(picture["svg"].encode()).decode()
            text.append(f"![{picture['title']}](data:image/svg+xml;base64,{data})")
    create_markdown_artifact("\n\n".join(text), key=f"{key}-report", description=f"run {result.run.id}")
