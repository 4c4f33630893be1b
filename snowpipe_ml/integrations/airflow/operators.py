"""The operators: begin a run, run a step of it, finish it; run it as a whole, and watch a step of that."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred

from snowpipe_ml.engine.events import Status
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.plan.tasks import Task
from snowpipe_ml.engine.run.opened import SessionFactory
from snowpipe_ml.engine.run.outcome import StepOutcome
from snowpipe_ml.errors import SpecError, UsageError
from snowpipe_ml.integrations.airflow.connection import sessions_of
from snowpipe_ml.integrations.airflow.triggers import OUTCOMES, StepEnded
from snowpipe_ml.integrations.following import TaskEnds
from snowpipe_ml.plugins import Kind
from snowpipe_ml.ui.report import last_report, report_path

RUN_ID = "run_id"
_KEY = "airflow:"


@dataclass(frozen=True)
class Source:
    """The pipeline of a DAG, and how its tasks reach the target."""

    spec: str
    target: str | None = None
    vars: Mapping[str, object] = field(default_factory=dict)
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    conn_id: str | None = None

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline."""
        return Pipeline.from_yaml(Path(self.spec), self.vars)

    @property
    def sessions(self) -> SessionFactory | None:
        """The function that opens Sessions, if the connection is Airflow's; else None."""
        return sessions_of(self.conn_id)


def run_key(context: Mapping[str, Any]) -> str:
    """Return the key of the pipeline's run: that of the DAG run, also when its tasks are tried again."""
    return f"{_KEY}{context['dag'].dag_id}/{context['run_id']}"


def _is_over(context: Mapping[str, Any], key: str) -> bool:
    """Return whether the DAG run of a key has ended, and has left its run unfinished."""
    dag_id, _, run_id = key.removeprefix(_KEY).partition("/")
    if not key.startswith(_KEY) or not run_id:
        return False
    return bool(context["ti"].get_dr_count(dag_id, run_ids=[run_id], states=["success", "failed"]))


def run_date(context: Mapping[str, Any]) -> date | None:
    """Return the logical date of a DAG run; None if it has none, as when it was triggered without one."""
    at = context.get("logical_date")
    return None if at is None else at.date()


class BeginRun(BaseOperator):
    """Begins the run of the pipeline, or continues it, and returns its handle."""

    ui_color = "#e8f0fe"

    def __init__(self, *, source: Source, lasts: timedelta, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source, self.lasts = source, lasts

    def execute(self, context: Any) -> dict[str, object]:
        """Begin the run.

        Raises:
            AirflowFailException: the spec is invalid, or cannot be run for this date: a retry cannot help.
        """
        try:
            handle = self.source.pipeline.begin_run(
                self.source.target,
                run_date=run_date(context),
                run_key=run_key(context),
                select=self.source.select,
                exclude=self.source.exclude,
                lasts=self.lasts,
                is_over=partial(_is_over, context),
                session_factory=self.source.sessions,
            )
        except (SpecError, UsageError) as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("run %s of %s on %s", handle.run_id, handle.pipeline, handle.target)
        return handle.to_json()


class ItemsOf(BaseOperator):
    """Returns the nodes of a step whose ``foreach`` is a query, from the handle of the run."""

    ui_color = "#e8f0fe"

    def __init__(self, *, step: str, begin: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step, self.begin = step, begin

    def execute(self, context: Any) -> list[str]:
        """Return the nodes."""
        handle = context["ti"].xcom_pull(task_ids=self.begin, map_indexes=-1)
        return list(handle["groups"].get(self.step, ()))


class RunStep(BaseOperator):
    """Runs a step in the process of its task.

    A transient error fails the try, so that Airflow retries it; any other error fails the task.
    """

    ui_color = "#e6f4ea"

    def __init__(
        self, *, source: Source, step: str, begin: str, assets: Sequence[Asset] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.source, self.step, self.begin, self.assets = source, step, begin, assets
        self._cancel = threading.Event()

    def execute(self, context: Any) -> dict[str, object]:
        """Run the step."""
        pipeline = self.source.pipeline
        handle = context["ti"].xcom_pull(task_ids=self.begin, map_indexes=-1)
        outcome = pipeline.run_step(
            handle, self.step, session_factory=self.source.sessions, cancel=self._cancel, retries=0
        )
        report = str(report_path(pipeline, str(handle[RUN_ID])))
        return show(self, context, outcome.to_dict(), self.assets, report)

    def on_kill(self) -> None:
        """Cancel the statements of the step on the target."""
        self._cancel.set()


class FinishRun(BaseOperator):
    """Finishes the run of the pipeline, whatever became of its steps, and writes the report."""

    ui_color = "#e8f0fe"

    def __init__(self, *, source: Source, begin: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source, self.begin = source, begin

    def execute(self, context: Any) -> dict[str, object]:
        """Finish the run."""
        pipeline = self.source.pipeline
        handle = context["ti"].xcom_pull(task_ids=self.begin, map_indexes=-1)
        result = pipeline.finish_run(handle, session_factory=self.source.sessions)
        return finished(self, pipeline, self.source, result)


class RunPipeline(BaseOperator):
    """Runs the whole pipeline in its process, and tells the watchers of each step that has ended."""

    ui_color = "#e6f4ea"

    def __init__(self, *, source: Source, threads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source, self.threads = source, threads
        self._cancel = threading.Event()

    def execute(self, context: Any) -> dict[str, object]:
        """Run the pipeline."""
        source, ti = self.source, context["ti"]
        pipeline = source.pipeline

        def tell(outcome: StepOutcome) -> None:
            outcomes[outcome.name] = {**outcome.to_dict(), "report": report[0]}
            ti.xcom_push(key=OUTCOMES, value=outcomes)

        def started(run_id: str) -> None:
            report[0] = str(report_path(pipeline, run_id))

        report = [""]
        outcomes: dict[str, dict[str, object]] = {}
        ti.xcom_push(key=OUTCOMES, value=outcomes)
        tasks = pipeline.tasks(source.target, select=source.select, exclude=source.exclude)
        result = pipeline.run(
            source.target,
            listeners=[TaskEnds(tasks, tell, started)],
            threads=self.threads,
            select=source.select,
            exclude=source.exclude,
            run_date=run_date(context),
            run_key=run_key(context),
            session_factory=source.sessions,
            cancel=self._cancel,
        )
        shown = finished(self, pipeline, source, result)
        failed = [step for step in result.steps.values() if step.status is Status.FAILED]
        if not result.ok:
            text = "; ".join(f"{step.name}: {step.message}" for step in failed) or "the run was stopped"
            retried = bool(failed) and all(step.transient for step in failed)
            raise AirflowException(text) if retried else AirflowFailException(text)
        return shown

    def on_kill(self) -> None:
        """Cancel the statements of the steps on the target."""
        self._cancel.set()


class WatchStep(BaseOperator):
    """Shows a step of a run that another task makes. It waits in the triggerer, without a worker."""

    ui_color = "#fef7e0"

    def __init__(
        self, *, step: str, producer: str, assets: Sequence[Asset] = (), seconds: float = 2.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.step, self.producer, self.assets, self.seconds = step, producer, assets, seconds

    def execute(self, context: Any) -> dict[str, object]:
        """Show how the step ended, or wait for its end."""
        outcome = (context["ti"].xcom_pull(task_ids=self.producer, key=OUTCOMES) or {}).get(self.step)
        if outcome is not None:
            return self.ended(context, {"outcome": outcome, "state": None})
        raise TaskDeferred(
            trigger=StepEnded(
                dag_id=context["dag"].dag_id,
                run_id=context["run_id"],
                producer=self.producer,
                step=self.step,
                seconds=self.seconds,
            ),
            method_name="ended",
        )

    def ended(self, context: Any, event: Mapping[str, Any]) -> dict[str, object]:
        """Show how the step ended."""
        outcome = event["outcome"]
        if outcome is None:
            raise AirflowFailException(
                f"{self.producer} ended, as {event['state']}, before the step {self.step} had"
            )
        return show(self, context, outcome, self.assets, outcome.get("report", ""), watched=True)


def show(
    operator: BaseOperator,
    context: Any,
    outcome: dict[str, Any],
    assets: Sequence[Asset],
    report: str,
    *,
    watched: bool = False,
) -> dict[str, object]:
    """Show how a step ended: by the state of the task, its log, its XCom and the events of its assets.

    Raises:
        AirflowSkipException: the step was omitted.
        AirflowFailException: it failed, and a retry cannot help.
        AirflowException: it failed for a reason that may disappear.
    """
    status, name, message = Status(outcome["status"]), outcome["name"], outcome["message"]
    for warning in outcome["warnings"]:
        operator.log.warning("%s", warning)
    if status is Status.OMITTED:
        raise AirflowSkipException(f"{name}: {message}")
    if status in (Status.FAILED, Status.SKIPPED):
        text = f"{name}: {message}"
        # The task that runs a watched step is retried, not the task that watches.
        raise AirflowException(text) if outcome["transient"] and not watched else AirflowFailException(text)
    operator.log.info(
        "%s: %s%s", name, "unchanged: " if status is Status.REUSED else "", message or status.value
    )
    rows = {str(version[1]).rpartition(".")[2].lower(): version[3] for version in outcome["outputs"]}
    for asset in assets:
        table = asset.uri.rpartition("/")[2]
        if rows and table not in rows:
            continue  # another item of the same foreach writes it
        context["outlet_events"][asset].extra = {
            "status": status.value,
            "rows": rows.get(table),
            "seconds": outcome["seconds"],
            "report": report,
            **outcome["metrics"],
        }
    return outcome


def finished(operator: BaseOperator, pipeline: Pipeline, source: Source, result: Any) -> dict[str, object]:
    """Write the report, and return how the run ended."""
    shown: dict[str, object] = {
        RUN_ID: result.run.id,
        "status": result.status.value,
        "seconds": result.seconds,
        "steps": {name: step.status.value for name, step in result.steps.items()},
    }
    if source.conn_id is None:  # the report is read through the target of the spec
        try:
            shown["report"] = str(last_report(pipeline, source.target, result.run.id))
        except Exception as error:  # the task must end with the run's own result in any case
            operator.log.warning("the report could not be written: %s", error)
    return shown


def assets_of(task: Task, place: str) -> list[Asset]:
    """Return the tables that a task writes, as assets.

    Args:
        task: the task.
        place: the pipeline and the target.
    """
    tables = [
        str(resource.name).replace(".", "/").lower()
        for resource in task.writes
        if resource.kind is Kind.TABLE
    ]
    return [Asset(name=f"{place}/{name}", uri=f"snowpipe-ml://{place}/{name}") for name in tables]
