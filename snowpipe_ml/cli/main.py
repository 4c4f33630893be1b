"""The command line: it parses, calls the library, and renders."""

from __future__ import annotations

import codecs
import gc
import io
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from snowpipe_ml import __version__
from snowpipe_ml.cli.authoring import COMMANDS as AUTHORING
from snowpipe_ml.cli.history import COMMANDS as HISTORY
from snowpipe_ml.cli.history import last_report
from snowpipe_ml.cli.options import (
    exact_output,
    make_console,
    open_pipeline,
    run_date_option,
    selection_options,
    spec_options,
)
from snowpipe_ml.errors import SnowpipeMLError, StatementError
from snowpipe_ml.text.printable import indented, json_text, one_line
from snowpipe_ml.text.redaction import RedactedStream, redact_all

if TYPE_CHECKING:
    from snowpipe_ml.engine.pipeline import PlannedStep
    from snowpipe_ml.engine.run.events import Listener


# Start-up makes a great many objects and no garbage: looking for some is a tenth of its time.
gc.set_threshold(100_000, 20, 20)


class _Group(click.Group):
    """Turns the package's errors into a message and the exit code they carry.

    No known secret is printed, and no character that would steer the terminal.
    """

    def main(self, *arguments: Any, **named: Any) -> Any:
        """Run the command; what it prints passes through a filter, mistakes in its options and in itself too."""
        out: Any = RedactedStream(_in_utf8(sys.stdout))
        err: Any = RedactedStream(_in_utf8(sys.stderr))
        with redirect_stdout(out), redirect_stderr(err):
            try:
                return super().main(*arguments, **named)
            except Exception:  # of ours: it is told whole, but for secrets
                traceback.print_exc()
                sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        # Click would cut colours out of what it writes elsewhere than to a terminal: here they are parts of values.
        ctx.color = True
        try:
            return super().invoke(ctx)
        except SnowpipeMLError as error:
            problems = getattr(error, "problems", ())
            text = str(error)
            several = bool(problems) and "\n" in text
            click.echo(text if several else f"error: {indented(text, '  ')}", err=True)
            if len(problems) > 1:
                click.echo(f"{len(problems)} problems", err=True)
            ctx.exit(error.exit_code)


def _in_utf8(stream: TextIO) -> TextIO:
    """A stream that takes any text. Click would write past a stream in ASCII, and so past its redaction."""
    if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name == "ascii":
        stream.reconfigure(encoding="utf-8")
    return stream


@click.group("snowpipe-ml", cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="snowpipe-ml")
def main() -> None:
    """ML pipelines on Snowflake from one YAML file, and the same file on a laptop.

    Exit codes: 0 done, 1 a step failed, 2 the spec or the command line is wrong, 3 the target
    cannot be reached, 4 another process runs the same pipeline there or holds the target, 130 it was
    interrupted.
    """


@main.command()
@spec_options
def validate(spec: Path, target: str | None, variables: dict[str, Any]) -> None:
    """Check SPEC, without a connection."""
    nodes = open_pipeline(spec, variables).validate(target).nodes.values()
    steps = sum(not node.declared for node in nodes)
    click.echo(f"{spec} is valid: {steps} steps, {len(nodes) - steps} declared objects")


@main.command()
@spec_options
@selection_options
@click.option("--sql", "show_sql", is_flag=True, help="Print the statements too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--offline", is_flag=True, help="Without a connection: what every step would do, changed or not."
)
@click.option("--full-refresh", is_flag=True, help="As if nothing had run before.")
@run_date_option
def plan(
    spec: Path,
    target: str | None,
    variables: dict[str, Any],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    show_sql: bool,
    as_json: bool,
    offline: bool,
    full_refresh: bool,
    run_date: date | None,
) -> None:
    """Show what a run of SPEC would do, in order, and why.

    Each step runs, replaces what it made before, or is skipped. The target is asked what is there; with
    --offline it is not.
    """
    planned = open_pipeline(spec, variables).plan(
        target,
        select=select,
        exclude=exclude,
        compare=not offline,
        full_refresh=full_refresh,
        run_date=run_date,
    )
    show_plan(planned, show_sql=show_sql, as_json=as_json)


def show_plan(planned: Sequence[PlannedStep], *, show_sql: bool, as_json: bool) -> None:
    """Print a plan."""
    from snowpipe_ml.engine.plan.decisions import Action

    if as_json:
        click.echo(json_text(redact_all([_plan_dict(step) for step in planned]), indent=2))
        return
    width = max(len(step.name) for step in planned)
    for step in planned:
        if step.decision is None:
            click.echo(f"{step.name:<{width}}  {one_line(step.plan.summary)}")
        else:
            lost = step.decision.destroys
            mark = f"; DESTROYS {lost}, which no run of this pipeline made" if lost else ""
            click.echo(
                f"{step.decision.action:<8} {step.name:<{width}}  {one_line(step.decision.reason + mark)}"
            )
        if show_sql and (step.decision is None or step.decision.action in (Action.RUN, Action.REPLACE)):
            for statement in step.plan.statements:
                click.echo("\n".join(f"    {line}" for line in f"{statement};".splitlines()))
    if any(step.decision is not None for step in planned):
        actions = [step.decision.action for step in planned if step.decision is not None]
        skipped, omitted = actions.count(Action.SKIP), actions.count(Action.OMIT)
        left_out = f", {omitted} left out" if omitted else ""
        click.echo(f"{len(planned) - skipped - omitted} to run, {skipped} unchanged{left_out}")


def _plan_dict(step: PlannedStep) -> dict[str, Any]:
    decision = step.decision
    return {
        "name": step.name,
        "type": step.type,
        "needs": list(step.needs),
        "summary": step.plan.summary,
        "action": decision and decision.action.value,
        "reason": decision and decision.reason,
        "destroys": decision and decision.destroys and str(decision.destroys),
        "statements": [str(statement) for statement in step.plan.statements],
    }


@main.command()
@spec_options
@selection_options
@click.option("--threads", type=click.IntRange(1, 64), default=4, show_default=True, help="Steps at once.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="last",
    metavar="[RUN]",
    help="Go on with the last run, or the one named, that failed or was killed.",
)
@click.option("--fail-fast", is_flag=True, help="Begin no step after one has failed.")
@click.option("--full-refresh", is_flag=True, help="Run every step, changed or not.")
@click.option(
    "--allow-destructive",
    is_flag=True,
    help="Replace tables on Snowflake too that no run of this pipeline made.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show what would be done and why, as `plan` does, and do nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@click.option(
    "--openlineage", metavar="FILE|URL", help="Tell the run as OpenLineage events, to a file or a collector."
)
@click.option(
    "--report/--no-report", default=True, show_default=True, help="Write the run's report beside SPEC."
)
@run_date_option
def run(
    spec: Path,
    target: str | None,
    variables: dict[str, Any],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    threads: int,
    resume: str | None,
    fail_fast: bool,
    full_refresh: bool,
    report: bool,
    dry_run: bool,
    as_json: bool,
    openlineage: str | None,
    allow_destructive: bool,
    run_date: date | None,
) -> None:
    """Run what has changed in SPEC or on the target since it last ran there; `plan` says what and why."""
    if dry_run:
        show_plan(
            open_pipeline(spec, variables).plan(
                target,
                select=select,
                exclude=exclude,
                compare=True,
                full_refresh=full_refresh,
                run_date=run_date,
            ),
            show_sql=False,
            as_json=as_json,
        )
        return
    pipeline = open_pipeline(spec, variables)
    more: list[Listener] = []
    if openlineage is not None:
        from snowpipe_ml.integrations.openlineage import OpenLineage

        more.append(OpenLineage.to(openlineage, pipeline, target))
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
            resume=True if resume == "last" else resume or False,
        )
    if report and not result.interrupted:
        try:
            path = last_report(pipeline, target, result.run.id)
            click.echo(f"report: {path}", err=as_json)
        except Exception as error:  # how the run ended must be told in any case
            click.echo(one_line(f"warning: no report could be written: {error}"), err=True)
    if result.interrupted:
        click.echo(f"interrupted; go on with: snowpipe-ml run {spec} --resume", err=True)
        sys.exit(130)
    if not result.ok:
        sys.exit(1)


@contextmanager
def _listening(as_json: bool) -> Iterator[Listener]:
    """What shows the run."""
    if as_json:
        from snowpipe_ml.ui.jsonlines import JsonLines

        yield JsonLines(sys.stdout)
        return
    from snowpipe_ml.ui.terminal import Checklist

    with Checklist(make_console()) as checklist:
        yield checklist


@contextmanager
def _second_interrupt() -> Iterator[None]:
    """A second Ctrl-C ends the process at once, whatever its threads do."""
    try:
        yield
    except KeyboardInterrupt:
        os._exit(130)


@main.command()
@spec_options
@click.option(
    "--format", "format_", type=click.Choice(["mermaid", "dot", "json"]), default="mermaid", show_default=True
)
def graph(spec: Path, target: str | None, variables: dict[str, Any], format_: str) -> None:
    """Print the graph of SPEC."""
    from snowpipe_ml.engine.plan.drawing import FORMATS

    click.echo(FORMATS[format_](open_pipeline(spec, variables).graph(target)))


@main.command()
@spec_options
def status(spec: Path, target: str | None, variables: dict[str, Any]) -> None:
    """Show the last run of SPEC on a target."""
    from snowpipe_ml.ui.tables import print_table

    rows = open_pipeline(spec, variables).last_run(target)
    if not rows:
        click.echo("no run yet")
        return
    names = ("STEP", "STATUS", "ROW_COUNT", "SECONDS", "MESSAGE", "FINISHED_AT")
    shown = [
        [row[name] if name != "FINISHED_AT" else f"{row[name]:%Y-%m-%d %H:%M:%S}" for name in names]
        for row in rows
    ]
    print_table(make_console(), names, shown, title=f"run {rows[0]['RUN_ID']}")


@main.command("sql")
@spec_options
@click.argument("statement")
@click.option(
    "--format", "format_", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
def sql_command(
    spec: Path, target: str | None, variables: dict[str, Any], statement: str, format_: str
) -> None:
    """Run STATEMENT on the target of SPEC and print its rows."""
    from snowpipe_ml.ui import tables

    session = open_pipeline(spec, variables).session(target)
    try:
        cursor = session.connection.cursor()
        try:
            cursor.execute(statement)
            rows = cursor.fetchall()
        except _connector_error() as error:
            raise StatementError(str(error)) from error
        names = [column.name for column in cursor.description or []]
    finally:
        session.close()
    if format_ == "json":
        click.echo(tables.as_json(names, rows))
    elif format_ == "csv":
        # A program gets the exact values; a person sees what would steer the terminal.
        text = tables.as_csv(names, rows)
        print(text, file=sys.stdout if sys.stdout.isatty() else exact_output())
    else:
        tables.print_table(make_console(), names, rows)


def _connector_error() -> type[Exception]:
    from snowflake.connector.errors import Error

    return Error


@main.command()
@spec_options
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The port on 127.0.0.1; any free one if not given.",
)
def serve(spec: Path, target: str | None, variables: dict[str, Any], port: int) -> None:
    """Serve the embedded warehouse of SPEC to Snowflake's own clients, until Ctrl-C.

    They connect over loopback with the printed entry of connections.toml. Runs and sessions on the
    same target go through this process meanwhile.
    """
    from snowpipe_ml.targets.local import serve as serve_local

    settings = open_pipeline(spec, variables).local_target(target)
    with serve_local(*settings, port) as server:
        click.echo(server.entry)
        click.echo(f"# serving {settings[0]} on 127.0.0.1:{server.port}; Ctrl-C ends it", err=True)
        server.serve_forever()


@main.command()
@spec_options
@click.argument("import_name", metavar="[IMPORT]", required=False)
@click.option("--lock", "write", is_flag=True, help="Work it out anew and write the lock file beside SPEC.")
@click.option("--check", is_flag=True, help="Work it out anew and fail if the lock file says something else.")
@click.option(
    "--channel",
    metavar="SOURCE",
    help="What Snowflake's channel has: 'target' asks the target; else a CSV file with PACKAGE_NAME and VERSION.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def packages(
    spec: Path,
    target: str | None,
    variables: dict[str, Any],
    import_name: str | None,
    write: bool,
    check: bool,
    channel: str | None,
    as_json: bool,
) -> None:
    """Show where each package of the imports of SPEC comes from, and why.

    The answer is read from the lock file; without one it is worked out with uv, and written with
    --lock. A distribution is taken from Snowflake's channel if the spec declares it or a declared
    one brings it along, and staged as a wheel otherwise, if it is pure Python.
    """
    from snowpipe_ml.engine.imports import Imports

    found = Imports(open_pipeline(spec, variables), target)
    locks = found.resolved(import_name, fresh=write or check, channel=channel)
    if check:
        found.check(locks)
    if write:
        click.echo(f"wrote {found.write(locks)}", err=True)
    if as_json:
        click.echo(json_text({name: found.table(lock) for name, lock in locks.items()}, indent=2))
        return
    from snowpipe_ml.ui.tables import print_table

    for name, lock in locks.items():
        rows = found.table(lock)
        title = f"imports.{name}: {', '.join(lock.requirements)} for Python {lock.python}"
        print_table(
            make_console(),
            ("DISTRIBUTION", "VERSION", "FROM", "WHY"),
            [list(row.values()) for row in rows],
            title=title,
        )
    if check:
        click.echo(f"{found.path.name} is up to date")


for command in (*HISTORY, *AUTHORING):
    main.add_command(command)

if __name__ == "__main__":
    main()
