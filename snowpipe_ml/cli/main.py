"""The command line: its entry point, the main group, and the commands for planning and running."""

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
from snowpipe_ml.version import __version__

if TYPE_CHECKING:
    from snowpipe_ml.engine.pipeline import PlannedStep
    from snowpipe_ml.engine.run.events import Listener


# Start-up creates many objects and no garbage: garbage collection would take a tenth of its time.
gc.set_threshold(100_000, 20, 20)


class _Group(click.Group):
    """A group that turns the package's errors into a message and their exit code.

    Secrets are redacted in all output, and characters that would control the terminal are escaped.
    """

    def main(self, *arguments: Any, **named: Any) -> Any:
        """Run the command; redact all of its output, including usage errors and tracebacks."""
        out: Any = RedactedStream(_in_utf8(sys.stdout))
        err: Any = RedactedStream(_in_utf8(sys.stderr))
        with redirect_stdout(out), redirect_stderr(err):
            try:
                return super().main(*arguments, **named)
            except Exception:  # a bug in the package: print the traceback, without secrets
                traceback.print_exc()
                sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        # Click strips color codes from output that does not go to a terminal, but here they may be
        # parts of values.
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
    """Switch an ASCII stream to UTF-8. Click would bypass an ASCII stream, and with it the redaction."""
    if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name == "ascii":
        stream.reconfigure(encoding="utf-8")
    return stream


@click.group("snowpipe-ml", cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="snowpipe-ml")
def main() -> None:
    """Run ML pipelines from one YAML file, on Snowflake or on a laptop.

    Exit codes: 0 success, 1 a step failed, 2 the spec or the command line is invalid, 3 the target
    cannot be reached, 4 another process runs the same pipeline on the target or holds the target,
    130 interrupted.
    """


@main.command()
@spec_options
def validate(spec: Path, target: str | None, variables: dict[str, Any]) -> None:
    """Check SPEC and the files that it names, without a connection."""
    nodes = open_pipeline(spec, variables).validate(target).nodes.values()
    steps = sum(not node.declared for node in nodes)
    click.echo(f"{spec} is valid: {steps} steps, {len(nodes) - steps} declared objects")


@main.command()
@spec_options
@selection_options
@click.option("--sql", "show_sql", is_flag=True, help="Print the statements too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--offline", is_flag=True, help="Do not connect: show what every step would do, changed or not."
)
@click.option("--full-refresh", is_flag=True, help="Plan as if nothing had run before.")
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

    Each step runs, replaces an existing table, or is skipped. To decide this, the plan is compared with
    the target, unless --offline is given.
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
            mark = f"; DESTROYS {lost}, which no run of this pipeline created" if lost else ""
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
        except Exception as error:  # the run must end with its own exit code in any case
            click.echo(one_line(f"warning: the report could not be written: {error}"), err=True)
    if result.interrupted:
        click.echo(f"interrupted; resume with: snowpipe-ml run {spec} --resume", err=True)
        sys.exit(130)
    if not result.ok:
        sys.exit(1)


@contextmanager
def _listening(as_json: bool) -> Iterator[Listener]:
    """Yield the listener that displays the run."""
    if as_json:
        from snowpipe_ml.ui.jsonlines import JsonLines

        yield JsonLines(sys.stdout)
        return
    from snowpipe_ml.ui.terminal import Checklist

    with Checklist(make_console()) as checklist:
        yield checklist


@contextmanager
def _second_interrupt() -> Iterator[None]:
    """Exit at once on a second Ctrl-C, without waiting for running threads."""
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
        # Programs get the exact values; on a terminal, control characters are escaped.
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
    help="The port on 127.0.0.1. The default, 0, is any free port.",
)
def serve(spec: Path, target: str | None, variables: dict[str, Any], port: int) -> None:
    """Serve the embedded warehouse of SPEC to Snowflake's own clients, until Ctrl-C.

    Clients connect over the loopback interface, with the printed entry for connections.toml. While the
    server runs, runs and sessions on the same target use this process.
    """
    with open_pipeline(spec, variables).serve(target, port) as server:
        click.echo(server.entry)
        click.echo(f"# serving on 127.0.0.1:{server.port}; Ctrl-C ends it", err=True)
        server.serve_forever()


@main.command()
@spec_options
@click.argument("import_name", metavar="[IMPORT]", required=False)
@click.option("--lock", "write", is_flag=True, help="Resolve again and write the lock file beside SPEC.")
@click.option("--check", is_flag=True, help="Resolve again and fail if the lock file is out of date.")
@click.option(
    "--channel",
    metavar="SOURCE",
    help="The packages of Snowflake's Anaconda channel: 'target' queries the target; otherwise a CSV file with "
    "PACKAGE_NAME and VERSION.",
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
    """Show the source of each package that the imports of SPEC need, and why.

    The answer is read from the lock file. Without one, the requirements are resolved with uv; --lock
    writes the result. A distribution is taken from Snowflake's Anaconda channel if the spec declares it
    or a declared package depends on it. Otherwise it is staged as a wheel, if it is pure Python.
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
