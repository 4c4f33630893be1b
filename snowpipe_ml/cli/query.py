"""The commands that look at a target: ``status``, ``sql`` and ``serve``."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import click

from snowpipe_ml.cli.options import (
    env_option,
    exact_output,
    json_option,
    make_console,
    open_pipeline,
    spec_options,
)
from snowpipe_ml.errors import StatementError
from snowpipe_ml.ui import tables
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.history import IntervalsOutput, StatusOutput, StepStatusOutput
from snowpipe_ml.ui.tables import print_table


@click.command()
@spec_options
@env_option
@json_option
def status(spec: Path, target: str | None, variables: dict[str, object], as_json: bool) -> None:
    """Show the last run of SPEC on a target.

    After a `run --backfill`, also which intervals of each step are done, and the gaps between them.
    """
    with open_pipeline(spec, variables).history(target) as history:
        rows, covered = history.last_run(), history.intervals()
    if as_json:
        steps = [
            StepStatusOutput(**{key: row[key.upper()] for key in StepStatusOutput.model_fields})
            for row in rows
        ]
        intervals = [
            IntervalsOutput(step=step, done=list(map(str, found.done)), gaps=list(map(str, found.gaps)))
            for step, found in covered.items()
        ]
        click.echo(output_json(StatusOutput(steps=steps, intervals=intervals)))
        return
    if not rows:
        click.echo("no run yet")
        return
    names = ("STEP", "STATUS", "ROW_COUNT", "SECONDS", "MESSAGE", "FINISHED_AT")
    shown = [
        [row[name] if name != "FINISHED_AT" else f"{row[name]:%Y-%m-%d %H:%M:%S}" for name in names]
        for row in rows
    ]
    print_table(make_console(), names, shown, title=f"run {rows[0]['RUN_ID']}")
    if covered:
        spans = [
            [step, ", ".join(map(str, found.done)) or "none", ", ".join(map(str, found.gaps)) or "none"]
            for step, found in covered.items()
        ]
        print_table(make_console(), ("STEP", "DONE", "GAPS"), spans, title="backfills")


@click.command("sql")
@spec_options
@env_option
@click.argument("statement")
@click.option(
    "--format", "format_", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
def sql_command(
    spec: Path, target: str | None, variables: dict[str, object], statement: str, format_: str
) -> None:
    """Run STATEMENT on the target of SPEC and print its rows."""
    with closing(open_pipeline(spec, variables).connect(target)) as connection:
        cursor = connection.cursor()
        try:
            cursor.execute(statement)
            rows = cursor.fetchall()
        except _connector_error() as error:
            raise StatementError(str(error)) from error
        names = [column.name for column in cursor.description or []]
    if format_ == "json":
        click.echo(tables.as_json(names, rows))
    elif format_ == "csv":
        # Programs get the exact values; on a terminal, control characters are escaped.
        text = tables.as_csv(names, rows)
        print(text, file=sys.stdout if sys.stdout.isatty() else exact_output())
    else:
        tables.print_table(make_console(), names, rows)


def _connector_error() -> type[Exception]:
    from snowflake.connector.errors import Error

    return Error


@click.command()
@spec_options
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The port on 127.0.0.1. The default, 0, is any free port.",
)
@click.option(
    "--tasks",
    is_flag=True,
    help="Run the tasks of the warehouse by their schedules and streams, as Snowflake does.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Be as strict as an account: require warehouses and privileges, and give sessions odd parameters.",
)
def serve(
    spec: Path, target: str | None, variables: dict[str, object], port: int, tasks: bool, strict: bool
) -> None:
    """Serve the embedded warehouse of SPEC to Snowflake's own clients, until Ctrl-C.

    Clients connect over the loopback interface, with the printed entry for connections.toml. While the
    server runs, runs and sessions on the same target use this process.
    """
    with open_pipeline(spec, variables).serve(target, port, tasks=tasks, strict=strict) as server:
        click.echo(server.entry)
        click.echo(f"# serving on 127.0.0.1:{server.port}; Ctrl-C ends it", err=True)
        server.serve_forever()
