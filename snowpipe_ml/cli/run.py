"""The command ``run``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import click

from snowpipe_ml.cli.options import (
    env_option,
    in_env,
    make_console,
    open_pipeline,
    run_date_option,
    selection_options,
    spec_options,
)
from snowpipe_ml.cli.plan import show_plan
from snowpipe_ml.engine.events import Listener
from snowpipe_ml.engine.records.history import History
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.integrations.openlineage import OpenLineage
from snowpipe_ml.plugins.intervals import UNITS
from snowpipe_ml.text.printable import one_line
from snowpipe_ml.ui.jsonlines import JsonLines
from snowpipe_ml.ui.report import report_path, write_report
from snowpipe_ml.ui.terminal import Checklist


@click.command()
@spec_options
@env_option
@selection_options
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="The maximum number of steps that run in parallel.",
)
@click.option(
    "--resume",
    is_flag=False,
    flag_value="last",
    metavar="[RUN]",
    help="Resume the last run, or RUN, after it failed or was killed.",
)
@click.option("--fail-fast", is_flag=True, help="Stop scheduling new steps after the first failure.")
@click.option("--full-refresh", is_flag=True, help="Run every step, changed or not.")
@click.option(
    "--backfill",
    metavar="FROM..TO",
    help="Compute the rows of an interval in incremental tables with `since`, such as 2022-01-01..2022-04-01, "
    "instead of new rows. TO is not included. Intervals that are done are skipped, unless --full-refresh is given.",
)
@click.option(
    "--by",
    type=click.Choice(UNITS),
    help="Split --backfill into intervals of this length, each committed by itself.",
)
@click.option(
    "--allow-destructive",
    is_flag=True,
    help="Replace tables on Snowflake even if no run of this pipeline created them.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show what the run would do and why, as `plan` does, and do nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@click.option(
    "--openlineage",
    metavar="FILE|URL",
    help="Emit OpenLineage events for the run to a file or an HTTP endpoint.",
)
@click.option(
    "--report/--no-report", default=True, show_default=True, help="Write the run's report beside SPEC."
)
@run_date_option
def run(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    threads: int,
    resume: str | None,
    fail_fast: bool,
    full_refresh: bool,
    backfill: str | None,
    by: str | None,
    report: bool,
    dry_run: bool,
    as_json: bool,
    openlineage: str | None,
    allow_destructive: bool,
    run_date: date | None,
) -> None:
    """Run the steps that changed in SPEC or on the target since their last success there.

    `plan` shows which steps would run, and why.
    """
    if dry_run:
        show_plan(
            open_pipeline(spec, variables).plan(
                target,
                select=select,
                exclude=exclude,
                compare=True,
                full_refresh=full_refresh,
                run_date=run_date,
                backfill=backfill,
                by=by,
            ),
            show_sql=False,
            as_json=as_json,
        )
        return
    pipeline = open_pipeline(spec, variables)
    more: list[Listener] = []
    if openlineage is not None:
        more.append(OpenLineage.to(openlineage, pipeline, target))

    def write(history: History, result: RunResult) -> None:
        if not report or result.interrupted:
            return
        try:
            path = write_report(
                history, pipeline, target, report_path(pipeline, result.run.id), result.run.id
            )
            written.append(f"report: {path}")
        except Exception as error:  # the run must end with its own exit code in any case
            written.append(one_line(f"warning: the report could not be written: {error}"))

    written: list[str] = []
    with _second_interrupt(), _listening(as_json) as listener:
        result = pipeline.run(
            target,
            listeners=[listener, *more],
            threads=threads,
            select=select,
            exclude=exclude,
            fail_fast=fail_fast,
            full_refresh=full_refresh,
            allow_destructive=allow_destructive,
            run_date=run_date,
            backfill=backfill,
            by=by,
            resume=True if resume == "last" else resume or False,
            ended=write,
        )
    for line in written:
        click.echo(line, err=as_json or line.startswith("warning"))
    if result.interrupted:
        click.echo("interrupted; resume with: " + in_env(f"snowpipe-ml run {spec} --resume"), err=True)
        sys.exit(130)
    if not result.ok:
        sys.exit(1)


@contextmanager
def _listening(as_json: bool) -> Iterator[Listener]:
    """Yield the listener that displays the run."""
    if as_json:
        yield JsonLines(sys.stdout)
        return
    with Checklist(make_console()) as checklist:
        yield checklist


@contextmanager
def _second_interrupt() -> Iterator[None]:
    """Exit at once on a second Ctrl-C, without waiting for running threads."""
    try:
        yield
    except KeyboardInterrupt:
        os._exit(130)
