"""The commands on past runs: ``runs``, ``logs``, ``diff``, ``report`` and ``lineage``."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.cli.options import env_option, json_option, make_console, open_pipeline, spec_options
from snowpipe_ml.engine.records.history import Origin, StepRecord
from snowpipe_ml.text.printable import indented, one_line
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.history import DiffOutput, LineageOutput, LogsOutput, RunsOutput
from snowpipe_ml.ui.report import last_report
from snowpipe_ml.ui.tables import print_table


@click.command()
@spec_options
@env_option
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many runs, newest first."
)
@json_option
def runs(spec: Path, target: str | None, variables: dict[str, object], limit: int, as_json: bool) -> None:
    """List the runs of SPEC on a target."""
    with open_pipeline(spec, variables).history(target) as history:
        found = history.runs(limit)
    if as_json:
        click.echo(output_json(RunsOutput.model_validate(found)))
        return
    if not found:
        click.echo("no run yet")
        return
    shown = [
        [
            run.id,
            f"{run.started_at:%Y-%m-%d %H:%M:%S}",
            run.status or "not finished",
            run.seconds,
            ", ".join(f"{count} {status}" for status, count in sorted(run.steps.items())),
        ]
        for run in found
    ]
    print_table(make_console(), ("RUN", "STARTED_AT", "STATUS", "SECONDS", "STEPS"), shown)


@click.command()
@spec_options
@env_option
@click.argument("run", metavar="[RUN]", required=False)
@click.argument("step", metavar="[STEP]", required=False)
@json_option
def logs(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    run: str | None,
    step: str | None,
    as_json: bool,
) -> None:
    """Show the steps of RUN, or every detail of one STEP. The default is the last run."""
    with open_pipeline(spec, variables).history(target) as history:
        found = history.steps(run, step)
    if as_json:
        click.echo(output_json(LogsOutput.model_validate(found)))
        return
    if not found:
        click.echo("no run yet")
    for record in found:
        click.echo("\n".join(_log_lines(record, whole=step is not None)))


def _log_lines(record: StepRecord, *, whole: bool) -> list[str]:
    seconds = "" if record.seconds is None else f"  {record.seconds:.1f} s"
    rows = "" if record.rows is None else f"  {record.rows:,} rows"
    lines = [
        f"{record.at:%H:%M:%S}  {record.status:<8} {record.step}{seconds}{rows}  {record.message}".rstrip()
    ]
    lines += [f"    warning: {warning}" for warning in record.details.get("warnings") or ()]
    if record.error and record.message not in record.error:
        lines.append(f"    {record.error}")
    if whole:
        lines += [f"    {name} = {value}" for name, value in record.metrics.items()]
        for which in ("inputs", "outputs"):
            for resource, version in record.versions(which).items():
                count = "" if version.rows is None else f", {version.rows:,} rows"
                lines.append(f"    {which[:-1]} {resource}: version {version.token}{count}")
        lines += [
            f"    setting {name} = {value}" for name, value in (record.details.get("settings") or {}).items()
        ]
    return [indented(line, "    ") for line in lines]


@click.command()
@spec_options
@env_option
@click.argument("before", metavar="RUN1")
@click.argument("after", metavar="RUN2")
@json_option
def diff(
    spec: Path, target: str | None, variables: dict[str, object], before: str, after: str, as_json: bool
) -> None:
    """Compare RUN1 and RUN2: their specs, row counts and metrics."""
    with open_pipeline(spec, variables).history(target) as history:
        found = history.difference(before, after)
    if as_json:
        click.echo(output_json(DiffOutput.model_validate(found)))
        return
    if not (found.spec or found.rows or found.metrics):
        click.echo("nothing differs")
    for line in found.spec:
        click.echo(line)
    for step, old, new in found.rows:
        click.echo(f"{step}: {_count(old)} -> {_count(new)} rows")
    for step, metric, first, second in found.metrics:
        click.echo(one_line(f"{step}: {metric} {_number(first)} -> {_number(second)}"))


def _count(value: int | None) -> str:
    return "no" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


@click.command()
@spec_options
@env_option
@click.argument("run", metavar="[RUN]", required=False)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write. The default is .snowpipe/reports/RUN.html beside SPEC.",
)
def report(
    spec: Path, target: str | None, variables: dict[str, object], run: str | None, output: Path | None
) -> None:
    """Write the report of RUN as one HTML file. The default is the last run."""
    click.echo(last_report(open_pipeline(spec, variables), target, run, output))


@click.command()
@spec_options
@env_option
@click.argument("table")
@json_option
def lineage(spec: Path, target: str | None, variables: dict[str, object], table: str, as_json: bool) -> None:
    """Show which run and step wrote TABLE, and from which inputs."""
    with open_pipeline(spec, variables).history(target) as history:
        found = history.lineage(table)
    if as_json:
        click.echo(output_json(LineageOutput.model_validate(found)))
        return
    for line in _tree(found, ""):
        click.echo(line)


def _tree(origin: Origin, indent: str) -> list[str]:
    rows = "" if origin.rows is None else f"  {origin.rows:,} rows"
    name = one_line(origin.name)
    if origin.by is None:
        return [f"{indent}{name}{rows}  not written by a recorded run"]
    left = {None: "", True: "", False: "; changed since then by someone else"}[origin.as_left]
    made = f"written by {origin.by.step} in {origin.by.run_id} at {origin.by.at:%Y-%m-%d %H:%M:%S}"
    lines = [f"{indent}{name}{rows}  {made}{left}"]
    for source in origin.of:
        lines += _tree(source, indent + "  ")
    return lines
