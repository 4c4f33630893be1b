"""The assets of a pipeline, and the ops that make them."""

# Dagster reads the annotations of `context`, which must not be texts: no `from __future__ import annotations`.

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from snowpipe_ml.engine.events import Status
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.run.opened import SessionFactory
from snowpipe_ml.engine.run.outcome import RunResult, StepOutcome, together
from snowpipe_ml.errors import UsageError
from snowpipe_ml.integrations.dagster.drawing import Drawn, Translator, draw, is_everything
from snowpipe_ml.integrations.dagster.results import checked_now, made, raise_if_failed, write_report
from snowpipe_ml.integrations.following import Followed


def pipeline_assets(
    spec: str | Path,
    target: str | None = None,
    *,
    vars: Mapping[str, object] | None = None,
    select: Iterable[str] = (),
    exclude: Iterable[str] = (),
    translator: Translator | None = None,
    partitions_def: dg.PartitionsDefinition | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    session_factory: SessionFactory | None = None,
    op_per_step: bool = False,
) -> dg.AssetsDefinition | list[dg.AssetsDefinition]:
    """Return the steps of a pipeline as assets, and its ``expect`` steps as checks of the tables that they check.

    A check with ``severity: error`` blocks the assets downstream, as the step does. No connection is made.

    Args:
        spec: the spec file.
        target: the target's name; the default target if None.
        vars: values of variables.
        select: the steps to show; all if empty.
        exclude: the steps to leave out.
        translator: keys, groups, kinds and owners.
        partitions_def: partitions by time, or with dates as keys. The start of a partition is the run date. The
            partitions of a backfill are runs of the pipeline, one after the other, in one run of Dagster.
        retry_policy: when Dagster retries; a terminal error is not retried.
        session_factory: opens Sessions on the target; by default, the target of the spec does.
        op_per_step: make an op of each step, in a list of assets.

    Raises:
        SpecError: the spec is invalid.
        UsageError: nothing is selected.
    """
    pipeline = Pipeline.from_yaml(spec, vars)
    drawn = draw(
        pipeline,
        target,
        select,
        exclude,
        translator or Translator(),
        partitions_def,
        session_factory,
    )
    if op_per_step:
        return _ops(drawn, partitions_def, retry_policy)
    return _whole(drawn, partitions_def, retry_policy)


def definitions(found: dg.AssetsDefinition | Sequence[dg.AssetsDefinition]) -> dg.Definitions:
    """Return the definitions of what :func:`pipeline_assets` returned."""
    made = [found] if isinstance(found, dg.AssetsDefinition) else list(found)
    checks = [item for item in made if isinstance(item, dg.AssetChecksDefinition)]
    return dg.Definitions(
        assets=[item for item in made if not isinstance(item, dg.AssetChecksDefinition)], asset_checks=checks
    )


def _whole(drawn: Drawn, partitions_def: Any, retry_policy: Any) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=drawn.name.replace("-", "_"),
        specs=list(drawn.specs.values()),
        check_specs=list(drawn.checks.values()),
        can_subset=True,
        retry_policy=retry_policy,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions_def is not None else None,
    )
    def run_pipeline(context: dg.AssetExecutionContext) -> Iterator[Any]:
        names = [n for n, spec in drawn.specs.items() if spec.key in context.selected_asset_keys]
        names += [n for n, spec in drawn.checks.items() if spec.key in context.selected_asset_check_keys]
        everything = is_everything(drawn, names)
        *earlier, last = _dates(context)
        for day in earlier:
            result = _run(drawn, context, [] if everything else names, day, None, None)
            context.log.info(f"run {result.run.id} for {day}: {result.status}")
            raise_if_failed(drawn, result)
        followed = Followed(
            lambda listener, cancel: _run(
                drawn, context, [] if everything else names, last, listener, cancel
            ),
            list(drawn.tasks.values()),
        )
        late: list[StepOutcome] = []
        for outcome in followed:
            if outcome.name not in names:
                continue
            if outcome.name in drawn.checks or drawn.tasks[outcome.name].type == "plot":
                late.append(outcome)  # its checks and pictures are in the result of the run
            else:
                yield from made(drawn, context, outcome, followed.run_id)
        result = followed.result
        write_report(drawn, context, result)
        for outcome in late:
            task = drawn.tasks[outcome.name]
            parts = [step for step in result.steps.values() if step.name in task.nodes]
            full = parts[0] if len(parts) == 1 else together(task.name, parts)
            if task.name in drawn.checks:
                yield from checked_now(drawn, full)
            else:
                yield from made(drawn, context, full, result.run.id)
        raise_if_failed(drawn, result)

    return run_pipeline


def _run(
    drawn: Drawn,
    context: Any,
    select: Sequence[str],
    day: date | None,
    listener: Callable[[Any], None] | None,
    cancel: Any,
) -> RunResult:
    return drawn.pipeline.run(
        drawn.target,
        select=select,
        run_date=day,
        run_key=_key(context, day),
        listeners=[] if listener is None else [listener],
        cancel=cancel,
        session_factory=drawn.session_factory,
    )


_KEY = "dagster:"
_PARTITION = "dagster/partition"
_ROOT = "dagster/root_run_id"
_RANGE = "dagster/asset_partition_range_start"


def _key(context: Any, day: date | None) -> str:
    """The key of the pipeline's run: that of Dagster's run, which is the same for its retries, and the date."""
    root = context.run.root_run_id or context.run.run_id
    return f"{_KEY}{root}" if day is None else f"{_KEY}{root}/{day}"


def _is_over(context: Any, key: str) -> bool:
    """Return whether Dagster's run of a key has ended, with its retries, and has left its run unfinished."""
    root = key.removeprefix(_KEY).partition("/")[0]
    if not key.startswith(_KEY):
        return False
    found = [context.instance.get_run_by_id(root)]
    found += context.instance.get_runs(dg.RunsFilter(tags={_ROOT: root}))
    return all(run is not None and run.is_finished for run in found)


def _dates(context: Any) -> list[date | None]:
    if not context.has_partition_key and not context.has_partition_key_range:
        return [None]
    definition = context.assets_def.partitions_def
    return [_date_of(definition, key) for key in context.partition_keys]


def _date_of(definition: Any, key: str) -> date:
    """The run date of a partition: its start.

    Raises:
        UsageError: the key is not a date.
    """
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return definition.time_window_for_partition_key(key).start.date()
    try:
        return date.fromisoformat(key)
    except ValueError as error:
        raise UsageError(
            f"the partition {key!r} is not a date: use partitions by time, or keys such as 2026-11-01"
        ) from error


def _ops(drawn: Drawn, partitions_def: Any, retry_policy: Any) -> list[dg.AssetsDefinition]:
    """Each step as an op. The first op to run begins the pipeline's run; the last one finishes it."""
    return [_op(drawn, name, partitions_def, retry_policy) for name in (*drawn.specs, *drawn.checks)]


def _op(drawn: Drawn, name: str, partitions_def: Any, retry_policy: Any) -> dg.AssetsDefinition:
    checks = {n: spec for n, spec in drawn.checks.items() if n == name}
    specs = [drawn.specs[name]] if name in drawn.specs else []
    # Dagster runs no asset downstream of a check that blocks, also none that does not need the step of the check.
    gates = {
        check: [
            task
            for task, asset in drawn.specs.items()
            if any(d.asset_key == of.asset_key for d in asset.deps)
        ]
        for check, of in drawn.checks.items()
        if of.blocking
    }

    def work(context: Any) -> Iterator[Any]:
        # An asset check has no partition: use that of the run.
        key = context.run.tags.get(_PARTITION)
        if key is None and _RANGE in context.run.tags:
            raise UsageError("an op for each step runs one partition at a time: start a run for each")
        day = None if key is None else _date_of(partitions_def, key)
        pipeline, factory = drawn.pipeline, drawn.session_factory
        names = _names_of_run(drawn, context)
        everything = is_everything(drawn, names)
        handle = pipeline.begin_run(
            drawn.target,
            run_date=day,
            run_key=_key(context, day),
            select=[] if everything else names,
            is_over=partial(_is_over, context),
            session_factory=factory,
        )
        # What the step needs and Dagster does not show, such as the declared objects.
        hidden = [need for need in drawn.tasks[name].needs if need in handle.tasks and need not in names]
        retries = None if retry_policy is None else 0
        for task in (*hidden, name):
            outcome = pipeline.run_step(handle, task, session_factory=factory, retries=retries)
            if not outcome.status.good:
                break
        again = (
            retry_policy is not None and outcome.transient and context.retry_number < retry_policy.max_retries
        )
        # Before the events: a check that blocks ends this function.
        result = None if again else pipeline.finish_when_done(handle, gates=gates, session_factory=factory)
        if result is not None:
            write_report(drawn, context, result)
        if outcome.name != name:
            context.log.error(f"{outcome.name}: {outcome.message}")
        elif name in checks:
            yield from checked_now(drawn, outcome)
        else:
            yield from made(drawn, context, outcome, handle.run_id)
        if outcome.status is Status.FAILED:
            raise dg.Failure(
                description=outcome.message, metadata={"run": handle.run_id}, allow_retries=outcome.transient
            )

    label = f"{drawn.name}__{name}".replace("-", "_").replace(".", "__")
    if name in checks:
        (spec,) = checks.values()

        @dg.multi_asset_check(name=label, specs=[spec], can_subset=False, retry_policy=retry_policy)
        def check(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
            yield from work(context)

        return check

    @dg.multi_asset(name=label, specs=specs, retry_policy=retry_policy)
    def op(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from work(context)

    return op


def _names_of_run(drawn: Drawn, context: Any) -> list[str]:
    """The tasks whose assets and checks are in Dagster's run."""
    keys = context.run.asset_selection or context.job_def.asset_layer.executable_asset_keys
    found = [name for name, spec in drawn.specs.items() if spec.key in keys]
    checks = context.run.asset_check_selection
    return found + [
        name
        for name, spec in drawn.checks.items()
        if (spec.asset_key in keys if checks is None else spec.key in checks)
    ]
