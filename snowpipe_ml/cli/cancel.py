"""The command ``cancel``."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.cli.options import open_pipeline, spec_options
from snowpipe_ml.engine.events import Status


@click.command()
@spec_options
@click.argument("run", metavar="[RUN]", required=False)
def cancel(spec: Path, target: str | None, variables: dict[str, object], run: str | None) -> None:
    """Cancel RUN of SPEC on a target. The default is the run that holds the lock.

    Cancels what runs of it on the target, releases its lock, and records it as canceled, whoever began it:
    `run`, an orchestrator or a graph of tasks. Does nothing if the run has ended.
    """
    pipeline = open_pipeline(spec, variables)
    result = pipeline.cancel_run(target, run)
    if result is None:
        click.echo("nothing to cancel: " + (f"the run {run} has ended" if run else "no run is unfinished"))
        return
    if result.status is not Status.CANCELED:
        click.echo(f"the run {result.run.id} had ended ({result.status}); its lock is released")
        return
    ended = sum(1 for step in result.steps.values() if step.status.good)
    click.echo(f"canceled the run {result.run.id}: {ended} of {len(result.steps)} steps had ended")
    click.echo(f"resume it with: snowpipe-ml run {spec} --resume {result.run.id}")
