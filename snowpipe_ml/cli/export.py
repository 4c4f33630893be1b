"""The command ``export``: pipelines for other schedulers."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.cli.options import open_pipeline, selection_options, spec_options
from snowpipe_ml.engine.export.deployment import deploy, drop
from snowpipe_ml.engine.export.graph import draw


@click.group()
def export() -> None:
    """Make a pipeline run without this machine."""


@export.command("tasks")
@spec_options
@selection_options
@click.option("--sql", "action", flag_value="sql", default=True, help="Print the statements. The default.")
@click.option("--deploy", "action", flag_value="deploy", help="Run the statements, and resume the tasks.")
@click.option("--drop", "action", flag_value="drop", help="Drop the tasks, their procedure and their stage.")
def export_tasks(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    action: str,
) -> None:
    """Run SPEC as a graph of Snowflake's tasks, by its `schedule`.

    A root task begins the run, each step is a task that calls a procedure with the engine, and a finalizer
    finishes the run. The engine and the folder of SPEC are staged under the hashes of their contents.
    """
    exported = draw(open_pipeline(spec, variables), target, select, exclude)
    if action == "deploy":
        deploy(exported, click.echo)
    elif action == "drop":
        drop(exported, click.echo)
    else:
        click.echo("\n".join(f"{statement.text};" for statement in exported.statements()))
