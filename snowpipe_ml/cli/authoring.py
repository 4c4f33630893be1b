"""The commands for authors of pipelines: ``init``, ``steps`` and ``schema``."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import click

from snowpipe_ml.cli import scaffold
from snowpipe_ml.cli.own_csv import recognize
from snowpipe_ml.cli.reference import reference_page, step_text
from snowpipe_ml.cli.scaffold import example_of
from snowpipe_ml.errors import SchemaDriftError, UsageError
from snowpipe_ml.plugins import step_types
from snowpipe_ml.spec.schema import pipeline_schema
from snowpipe_ml.text.problems import did_you_mean
from snowpipe_ml.ui.explained import errors_page
from snowpipe_ml.ui.outputs.commands import OUTPUTS
from snowpipe_ml.ui.outputs.common import output_schema

_TEMPLATES = (*scaffold.TEMPLATES, scaffold.FORECAST, scaffold.TESTING)


@click.command()
@click.argument("type_name", metavar="[TYPE]", required=False)
def steps(type_name: str | None) -> None:
    """List the step types, or show the settings and an example of TYPE."""
    types = step_types()
    if type_name is None:
        width = max(map(len, types))
        for name, cls in types.items():
            click.echo(f"{name:<{width}}  {(cls.__doc__ or '').strip().split(chr(10))[0]}")
        return
    if type_name not in types:
        hint = did_you_mean(type_name, types)
        raise UsageError(f"no step type {type_name!r}" + (f"; {hint}" if hint else ""))
    click.echo(step_text(type_name))
    example = example_of(type_name)
    if example is not None:
        click.echo(f"\nExample:\n\n{textwrap.indent(example, '  ')}")


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is out of date.")
@click.option("--directory", type=click.Path(path_type=Path), default=Path("schemas"), show_default=True)
@click.option(
    "--reference", type=click.Path(path_type=Path), help="Write the reference page too, to this file."
)
@click.option("--errors", type=click.Path(path_type=Path), help="Write the page of errors too, to this file.")
def schema(check: bool, directory: Path, reference: Path | None, errors: Path | None) -> None:
    """Write the JSON Schema with which editors check a spec.

    The folder `output` beside it gets those of what commands print with --json.
    """
    schemas = {directory / "pipeline.schema.json": pipeline_schema()}
    for command, model in OUTPUTS.items():
        schemas[directory / "output" / f"{command}.schema.json"] = output_schema(model)
    texts = {path: json.dumps(found, indent=2, ensure_ascii=False) + "\n" for path, found in schemas.items()}
    if reference is not None:
        texts[reference] = reference_page()
    if errors is not None:
        texts[errors] = errors_page()
    for path, text in texts.items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            click.echo(f"wrote {path}")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            raise SchemaDriftError(f"{path} is out of date: run 'snowpipe-ml schema'")
        else:
            click.echo(f"{path} is up to date")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--template",
    type=click.Choice(_TEMPLATES),
    metavar="NAME",
    help=f"The template to copy, minimal by default: {', '.join(_TEMPLATES)}.",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path),
    help="Write a spec that forecasts this file. The columns are recognized.",
)
@click.option("--time", help="With --csv: the column with the time of a row.")
@click.option("--series", multiple=True, help="With --csv: a column that identifies a series; repeatable.")
@click.option("--value", help="With --csv: the column to forecast.")
@click.option("--notebook", is_flag=True, help="Write a notebook that explores the series, too.")
@click.option("--run", "run_now", is_flag=True, help="Run the pipeline too, on its default target.")
@click.pass_context
def init(
    ctx: click.Context,
    directory: Path,
    template: str | None,
    csv_file: Path | None,
    time: str | None,
    series: tuple[str, ...],
    value: str | None,
    notebook: bool,
    run_now: bool,
) -> None:
    """Create a pipeline in DIRECTORY: copy a template, or write a spec for a CSV file."""
    if run_now and template == scaffold.TESTING:
        raise UsageError(f"the template {scaffold.TESTING} has no spec that --run could run")
    if csv_file is None:
        if time or series or value:
            raise UsageError("--time, --series and --value belong to --csv FILE")
        files = scaffold.init(directory, template or "minimal", notebook=notebook)
    else:
        if template not in (None, scaffold.FORECAST):
            raise UsageError(f"--csv writes the template {scaffold.FORECAST}, not {template}")
        columns = recognize(csv_file, time=time, series=series, value=value)
        click.echo(f"{columns}\n")
        files = scaffold.init_from_csv(directory, csv_file, columns, notebook=notebook)
    for path in files:
        click.echo(f"wrote {path}")
    if template == scaffold.TESTING:
        click.echo(f"\n  pytest {directory}")
    elif run_now:
        _run(ctx, files[0])
    else:
        click.echo(f"\n  snowpipe-ml plan {files[0]}\n  snowpipe-ml run {files[0]}")


def _run(ctx: click.Context, spec: Path) -> None:
    """Call the command ``run`` as the user would: it belongs to a layer above this one."""
    group = ctx.find_root().command
    assert isinstance(group, click.Group)
    command = group.get_command(ctx, "run")
    assert command is not None
    with command.make_context("run", [str(spec)], parent=ctx) as inner:
        command.invoke(inner)
