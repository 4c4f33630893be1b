"""The command ``cancel``."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.cli.options import env_option, in_env, json_option, open_pipeline, spec_options
from snowpipe_ml.engine.events import Status
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.history import CancelOutput


@click.command()
@spec_options
@env_option
@click.argument("run", metavar="[RUN]", required=False)
@json_option
def cancel(
    spec: Path, target: str | None, variables: dict[str, object], run: str | None, as_json: bool
) -> None:
    """Cancel RUN of SPEC on a target. The default is the run that holds the lock.

    Cancels what runs of it on the target, releases its lock, and records it as canceled, whoever began it:
    `run`, an orchestrator or a graph of tasks. Does nothing if the run has ended.
    """
    pipeline = open_pipeline(spec, variables)
    result = pipeline.cancel_run(target, run)
    if as_json:
        found = CancelOutput(
            run_id=result and result.run.id,
            status=result and result.status.value,
            canceled=result is not None and result.status is Status.CANCELED,
            steps={} if result is None else {step: end.status.value for step, end in result.steps.items()},
        )
        click.echo(output_json(found))
        return
    if result is None:
        click.echo("nothing to cancel: " + (f"the run {run} has ended" if run else "no run is unfinished"))
        return
    if result.status is not Status.CANCELED:
        click.echo(f"the run {result.run.id} had ended ({result.status}); its lock is released")
        return
    ended = sum(1 for step in result.steps.values() if step.status.good)
    click.echo(f"canceled the run {result.run.id}: {ended} of {len(result.steps)} steps had ended")
    click.echo("resume it with: " + in_env(f"snowpipe-ml run {spec} --resume {result.run.id}"))
