"""The work of a task of an exported graph: this module is called by the procedure of the tasks.

All tasks of a graph run and of its retries are one run of the pipeline, whose key is the id of the graph run
group: https://docs.snowflake.com/en/sql-reference/functions/system_task_runtime_info
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.run.task_runs import key_prefix
from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins.connection import execute
from snowpipe_ml.sql import Literal as SqlLiteral
from snowpipe_ml.sql import sql
from snowpipe_ml.text.redaction import redact_all

if TYPE_CHECKING:
    from snowflake.snowpark import Session

Action = Literal["begin", "run", "finish"]
_LONGEST_VALUE = 8_000  # characters of a return value, which has at most 10 kB


@dataclass(frozen=True)
class TaskSettings:
    """The settings that all tasks of a graph share.

    Attributes:
        spec: the name of the spec's file.
        target: the target.
        root: the root task, with its database and schema.
        vars: the variables that were given when the graph was exported.
        select: the selected steps; all if empty.
        exclude: the excluded steps.
        timezone: the time zone of the run date.
        minutes: for how long the run holds its lock while no task of it runs.
    """

    spec: str
    target: str
    root: str
    vars: Mapping[str, Any]
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    timezone: str = "UTC"
    minutes: int = 60


def run_task(session: Session, folder: str, settings: Mapping[str, Any], action: Action, name: str) -> str:
    """Begin the run of a graph run, run one of its tasks, or finish it; return what happened as JSON.

    A task that is retried after the finalizer has run continues the run.

    Args:
        session: the Session of the procedure.
        folder: the unpacked folder of the spec.
        settings: those of the graph; see :class:`TaskSettings`.
        action: what to do.
        name: the task of the pipeline.

    Raises:
        StepError: the step failed.
        UsageError: the run was canceled.
    """
    given = TaskSettings(**settings)
    pipeline = Pipeline.from_yaml(Path(folder) / given.spec, vars=given.vars)
    key, day = _graph_run(session, given)
    said: dict[str, object]
    failure: str | None = None
    if action == "finish":
        found = pipeline.find_run(key, given.target, session=session)
        said = {"run": None, "status": "not begun"}
        if found is not None:
            result = pipeline.finish_run(found, session=session)
            said = {"run": result.run.id, "status": result.status.value}
    else:
        handle = pipeline.begin_run(
            given.target,
            run_date=day,
            select=given.select,
            exclude=given.exclude,
            run_key=key,
            lasts=timedelta(minutes=given.minutes),
            # A graph has one run at a time: an earlier one that holds the lock has ended without its finalizer.
            is_over=lambda other: other.startswith(key_prefix(given.root)),
            resume_canceled=False,  # the tasks of other branches go on after the run was canceled
            session=session,
        )
        said = {"run": handle.run_id}
        if action == "run":
            outcome = pipeline.run_step(handle, name, session=session)
            said |= {
                "step": name,
                "status": outcome.status.value,
                "rows": outcome.rows,
                "message": outcome.message,
            }
            if not outcome.status.good:
                failure = f"{name}: {outcome.error or outcome.message}"
    text = json.dumps(redact_all(said))
    execute(
        session.connection,
        sql("CALL SYSTEM$SET_RETURN_VALUE({text})", text=SqlLiteral(text[:_LONGEST_VALUE])),
    )
    if failure is not None:
        raise StepError(failure)
    return text


def _graph_run(session: Session, settings: TaskSettings) -> tuple[str, date]:
    """Return the key of the run, and its date: that of the configuration, or when the graph was due."""
    statement = sql(
        "SELECT SYSTEM$TASK_RUNTIME_INFO('CURRENT_TASK_GRAPH_RUN_GROUP_ID') AS RUN_GROUP, "
        "TO_VARCHAR(CONVERT_TIMEZONE({zone}, SYSTEM$TASK_RUNTIME_INFO("
        "'CURRENT_TASK_GRAPH_ORIGINAL_SCHEDULED_TIMESTAMP')::TIMESTAMP_TZ)::DATE, 'YYYY-MM-DD') AS DUE, "
        "SYSTEM$GET_TASK_GRAPH_CONFIG('run_date') AS GIVEN",
        zone=SqlLiteral(settings.timezone),
    )
    ((group, due, given),) = execute(session.connection, statement)
    return f"{key_prefix(settings.root)}{group}", date.fromisoformat(str(given or due))
