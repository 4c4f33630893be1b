"""The command ``env``: the environments of a target."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.cli.options import json_option, make_console, open_pipeline, spec_options
from snowpipe_ml.engine.run.environments import drop, environments, find
from snowpipe_ml.errors import UsageError
from snowpipe_ml.spec.environments import environment_name
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.history import EnvironmentOutput, EnvironmentsOutput
from snowpipe_ml.ui.tables import print_table


@click.group("env")
def environments_group() -> None:
    """List or drop the environments of a target, which `run --env` makes."""


@environments_group.command("list")
@spec_options
@json_option
def list_environments(spec: Path, target: str | None, variables: dict[str, object], as_json: bool) -> None:
    """List the environments of the target of SPEC."""
    found = environments(open_pipeline(spec, variables), target)
    if as_json:
        rows = [
            EnvironmentOutput(
                name=each.name.sql,
                created_at=each.created_at,
                finished=each.finished,
                schemas=[schema.sql for schema in each.schemas],
            )
            for each in found
        ]
        click.echo(output_json(EnvironmentsOutput(rows)))
        return
    if not found:
        click.echo("no environments")
        return
    shown = [
        [
            each.name.sql,
            "" if each.created_at is None else f"{each.created_at:%Y-%m-%d %H:%M:%S}",
            "complete" if each.finished else "unfinished",
            ", ".join(schema.sql for schema in each.schemas),
        ]
        for each in found
    ]
    print_table(make_console(), ("ENVIRONMENT", "CREATED_AT", "STATE", "SCHEMAS"), shown)


@environments_group.command("drop")
@spec_options
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop_environment(
    spec: Path, target: str | None, variables: dict[str, object], name: str, yes: bool
) -> None:
    """Drop the environment NAME of the target of SPEC: the schemas that it has made, and nothing else."""
    pipeline = open_pipeline(spec, variables)
    found = find(pipeline, target, environment_name(name))
    schemas = ", ".join(schema.sql for schema in found.schemas)
    if not yes and not click.confirm(f"Drop the schemas {schemas}?", default=False):
        raise UsageError("nothing was dropped")
    drop(pipeline, target, found)
    for schema in found.schemas:
        click.echo(f"dropped {schema}")
