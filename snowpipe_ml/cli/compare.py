"""The command ``compare``."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.cli.options import json_option, key_option, spec_options
from snowpipe_ml.comparison.compare import compare
from snowpipe_ml.comparison.options import SERIES, Options
from snowpipe_ml.data_diff.diff import Question
from snowpipe_ml.sql import Identifier
from snowpipe_ml.ui.comparison import markdown
from snowpipe_ml.ui.comparison_page import comparison_html
from snowpipe_ml.ui.comparison_values import comparison_dict
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.comparison import CompareOutput


@click.command("compare")
@spec_options
@click.option(
    "--base",
    metavar="REF",
    required=True,
    help="The branch, tag or commit to compare with. Its commit is the one at which --head has left it.",
)
@click.option("--head", metavar="REF", default="HEAD", show_default=True, help="The ref with the changes.")
@click.option(
    "--series",
    metavar="N",
    type=click.IntRange(min=1),
    default=SERIES,
    show_default=True,
    help="How many series to forecast at both commits.",
)
@click.option("--all-series", is_flag=True, help="Forecast all series.")
@key_option
@click.option(
    "--ignore", metavar="COLUMN", multiple=True, help="A column of tables not to compare. Repeatable."
)
@click.option("--fresh", is_flag=True, help="Run --head on an empty warehouse, and not where --base has run.")
@click.option("--no-run", is_flag=True, help="Compare only steps and SQL.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with all differences too."
)
@json_option
def compare_command(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    base: str,
    head: str,
    series: int,
    all_series: bool,
    keys: tuple[str, ...],
    ignore: tuple[str, ...],
    fresh: bool,
    no_run: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """Compare SPEC at two commits: steps, SQL, tables, forecasts and cost, as Markdown for a pull request.

    Both commits run in temporary folders on embedded warehouses. The work tree and the target stay as they
    are.
    """
    try:
        ignored = {Identifier.parse(name) for name in ignore}
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--ignore") from error
    options = Options(
        target,
        variables,
        series=None if all_series else series,
        run=not no_run,
        fresh=fresh,
        question=Question(keys=keys, ignored=ignored),
    )
    found = compare(spec, base, head, options, lambda text: click.echo(f"{text} ...", err=True))
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(comparison_html(found), encoding="utf-8")
        click.echo(f"page: {html}", err=True)
    if as_json:
        click.echo(output_json(CompareOutput.model_validate(comparison_dict(found))))
    else:
        click.echo(markdown(found), nl=False)
