"""The outcomes of steps as events of Dagster."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import dagster as dg

from snowpipe_ml.engine.events import Status
from snowpipe_ml.engine.run.outcome import RunResult, StepOutcome
from snowpipe_ml.integrations.dagster.drawing import Drawn
from snowpipe_ml.integrations.following import version
from snowpipe_ml.ui.report import last_report, report_path


def made(drawn: Drawn, context: Any, outcome: StepOutcome, run_id: str | None) -> Iterator[Any]:
    """The event that an asset was made; none if its step was omitted, skipped or failed."""
    if outcome.status is Status.FAILED:
        context.log.error(f"{outcome.name} failed: {outcome.message}")
    if outcome.status not in (Status.SUCCESS, Status.REUSED):
        return
    for warning in outcome.warnings:
        context.log.warning(f"{outcome.name}: {warning}")
    data_version = version(outcome)
    yield dg.MaterializeResult(
        asset_key=drawn.specs[outcome.name].key,
        metadata=_metadata(drawn, outcome, run_id),
        data_version=None if data_version is None else dg.DataVersion(data_version),
    )


def _metadata(drawn: Drawn, outcome: StepOutcome, run_id: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "status": "unchanged" if outcome.status is Status.REUSED else outcome.status.value,
        "seconds": round(outcome.seconds, 3),
    }
    if outcome.rows is not None:
        found["dagster/row_count"] = outcome.rows
    if outcome.message:
        found["message"] = outcome.message
    if outcome.warnings:
        found["warnings"] = "\n".join(outcome.warnings)
    found |= {f"metric {name}": float(value) for name, value in outcome.metrics.items()}
    if run_id is not None:
        found["run"] = run_id
        found["report"] = dg.MetadataValue.path(str(report_path(drawn.pipeline, run_id)))
    pictures: Any = outcome.work.get("pictures") or ()
    for picture in pictures:
        data = base64.b64encode(picture["svg"].encode()).decode()
        found[picture["title"]] = dg.MetadataValue.md(
            f"![{picture['title']}](data:image/svg+xml;base64,{data})"
        )
    return found


def checked_now(drawn: Drawn, outcome: StepOutcome) -> Iterator[Any]:
    """The result of an ``expect`` step as that of an asset check; none if the step did not run."""
    if outcome.status in (Status.SKIPPED, Status.OMITTED):
        return
    checks: Any = outcome.work.get("checks") or ()
    failed = [check for check in checks if not check["ok"]]
    passed = not failed and outcome.status is not Status.FAILED
    spec = drawn.checks[outcome.name]
    yield dg.AssetCheckResult(
        passed=passed,
        asset_key=spec.asset_key,
        check_name=spec.name,
        severity=dg.AssetCheckSeverity.ERROR if spec.blocking else dg.AssetCheckSeverity.WARN,
        description=outcome.message or None,
        metadata={
            check["name"]: check["message"] or ("passed" if check["ok"] else "failed") for check in checks
        },
    )


def write_report(drawn: Drawn, context: Any, result: RunResult) -> None:
    """Write the report of a run; a failure is a warning."""
    if drawn.session_factory is not None:
        return  # the report is read through the target of the spec, which may lack credentials here
    try:
        last_report(drawn.pipeline, drawn.target, result.run.id)
    except Exception as error:  # the run must end with its own result in any case
        context.log.warning(f"the report could not be written: {error}")


def raise_if_failed(drawn: Drawn, result: RunResult) -> None:
    """Fail Dagster's step if a step of the pipeline failed.

    A failed check that blocks is a failure for Dagster already.
    """
    failed = [step for step in result.steps.values() if step.status is Status.FAILED]
    if failed or not result.ok:
        raise dg.Failure(
            description="; ".join(f"{step.name}: {step.message}" for step in failed) or "the run was stopped",
            metadata={"run": result.run.id, "failed": ", ".join(step.name for step in failed)},
            allow_retries=bool(failed) and all(step.transient for step in failed),
        )
