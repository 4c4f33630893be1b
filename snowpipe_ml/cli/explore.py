"""The command that looks at a table before any model: ``explore``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

import snowpipe_ml
from snowpipe_ml.cli.options import exact_output, make_console, open_pipeline, spec_options
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.steps.forecasting.feature_settings import FrequencyName
from snowpipe_ml.steps.forecasting.targets import Aggregate
from snowpipe_ml.ui.exploration import exploration_html
from snowpipe_ml.ui.tables import print_table

if TYPE_CHECKING:
    from snowpipe_ml.exploration.explored import Exploration


@click.command()
@spec_options
@click.argument("table")
@click.option("--series", required=True, metavar="COLUMN", help="The column that identifies a series.")
@click.option("--time", required=True, metavar="COLUMN", help="The column with the time of a row.")
@click.option(
    "--value", metavar="COLUMN", help="The column to aggregate per period. By default, rows are counted."
)
@click.option(
    "--aggregate",
    type=click.Choice(get_args(Aggregate)),
    help="How values are aggregated. The default is sum with --value, and count without it.",
)
@click.option(
    "--frequency",
    type=click.Choice(get_args(FrequencyName)),
    metavar="NAME",
    help="The length of the periods, such as day. By default, the rows decide.",
)
@click.option(
    "--timezone", metavar="ZONE", help="The time zone in which days begin, such as America/New_York."
)
@click.option("--stored-timezone", metavar="ZONE", help="The time zone of --time, if its type has none.")
@click.option("--calendar", metavar="TABLE", help="A table of the periods (DATE) that the rows cover.")
@click.option(
    "--holidays",
    metavar="COUNTRY",
    help="The holidays to look at, such as US or US-NJ. The default is those of a step of SPEC.",
)
@click.option(
    "--exogenous",
    metavar="TABLE.COLUMN",
    multiple=True,
    help="A column whose effect is measured. Repeatable. By default, those that SPEC names.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["html", "json", "yaml"]),
    default="html",
    show_default=True,
    help="A page, everything as JSON, or only the suggested steps.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write. The default is .snowpipe/explore/TABLE.html beside SPEC; JSON and YAML are printed.",
)
def explore(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    table: str,
    series: str,
    time: str,
    value: str | None,
    aggregate: Aggregate | None,
    frequency: str | None,
    timezone: str | None,
    stored_timezone: str | None,
    calendar: str | None,
    holidays: str | None,
    exogenous: tuple[str, ...],
    format_: str,
    output: Path | None,
) -> None:
    """Explore TABLE on the target of SPEC, and suggest the steps of a forecast.

    Shows coverage and gaps, profiles, the largest series, seasons, autocorrelation, a decomposition,
    stationarity, the effects of holidays and of other columns, and outliers. The warehouse aggregates. Append
    the steps of `--format yaml` to a SPEC that ends with its steps.
    """
    pipeline = open_pipeline(spec, variables)
    found = snowpipe_ml.explore(
        pipeline,
        table,
        series=series,
        time=time,
        value=value,
        aggregate=aggregate,
        frequency=frequency,
        timezone=timezone,
        stored_timezone=stored_timezone,
        calendar=calendar,
        holidays=holidays,
        exogenous=exogenous or None,
        target=target,
    )
    if format_ == "html":
        path = output or _page_path(pipeline, found)
        _write(path, exploration_html(found))
        _print_summary(found)
        click.echo(f"page: {path}")
        return
    text = found.suggestion.yaml if format_ == "yaml" else f"{json.dumps(found.to_json(), indent=1)}\n"
    if output is None:
        print(text, end="", file=exact_output())
    else:
        _write(output, text)
        click.echo(f"wrote {output}")


def _page_path(pipeline: Pipeline, found: Exploration) -> Path:
    name = "".join(c if c.isalnum() or c in "_-" else "_" for c in found.question.table.sql.lower())
    return pipeline.base_dir / ".snowpipe" / "explore" / f"{name}.html"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _print_summary(found: Exploration) -> None:
    """Print what the suggested settings are, and why."""
    chosen, coverage = found.suggestion, found.coverage
    every = found.question.every
    click.echo(
        f"{found.question.table}: {found.overview.rows:,} rows, {found.series.count:,} series, "
        f"{coverage.periods:,} {every.plural} from {coverage.first} to {coverage.last}"
    )
    rows: list[list[object]] = [
        ["frequency", chosen.frequency, chosen.why["frequency"]],
        ["season", chosen.season, chosen.why["season"]],
        ["lags", ", ".join(map(str, chosen.lags)), chosen.why["lags"]],
    ]
    rows += [
        [name.replace("_", " "), value, chosen.why.get(name, "")]
        for name, value in (
            ("rolling", ", ".join(map(str, chosen.rolling))),
            ("date_features", ", ".join(chosen.date_features)),
            ("fourier", ", ".join(f"{period:g} (order {order})" for period, order in chosen.fourier)),
            ("holidays", "yes" if chosen.holidays else ""),
        )
        if value
    ]
    rows += [["exogenous", name, chosen.why.get(name, "")] for name in chosen.exogenous]
    rows.append(["horizon", chosen.horizon, ""])
    print_table(make_console(), ("SETTING", "SUGGESTED", "WHY"), rows)
    for note in found.notes:
        click.echo(f"note: {note}")
