"""The command that tries a model on a few series: ``try``."""

from __future__ import annotations

from pathlib import Path

import click

import snowpipe_ml
from snowpipe_ml.cli.options import make_console, open_pipeline, spec_options
from snowpipe_ml.errors import UsageError
from snowpipe_ml.spec.document import parse_value
from snowpipe_ml.ui.tables import print_table
from snowpipe_ml.ui.trial import drawn, trial_html


@click.command("try")
@spec_options
@click.option("--series", required=True, metavar="KEYS", help="The series, at most 20, separated by commas.")
@click.option(
    "--model",
    default="auto_ets",
    show_default=True,
    metavar="MODEL",
    help="The type of the model, or its settings as YAML, such as '{type: ridge, alpha: 1}'.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page to write. The default is .snowpipe/explore/try_MODEL.html beside SPEC.",
)
def try_command(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    series: str,
    model: str,
    output: Path | None,
) -> None:
    """Try a model on a few series of SPEC, without writing a table.

    Backtests and trains the model in this process, on rows of the table of a `features` step that has run.
    """
    pipeline = open_pipeline(spec, variables)
    try:
        settings = parse_value(model)
    except ValueError as error:
        raise UsageError(f"--model: {error}") from error
    if not isinstance(settings, str | dict):
        raise UsageError(f"--model: {model!r} is neither a type nor settings, such as {{type: ridge}}")
    keys = [key.strip() for key in series.split(",") if key.strip()]
    found = snowpipe_ml.try_model(pipeline, keys, settings, target=target)
    console = make_console()
    for key in keys:
        for line in drawn(found, key):
            console.print(line)
    rows = [list(row) for row in found.scores()]
    print_table(console, ("SERIES", "MODEL", "MAE", "RMSE"), rows, title=f"backtest, {found.value}")
    for key, reason in found.untrained().items():
        click.echo(f"{key}: {reason}")
    path = output or pipeline.base_dir / ".snowpipe" / "explore" / f"try_{found.model}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(trial_html(found), encoding="utf-8")
    click.echo(f"page: {path}")
