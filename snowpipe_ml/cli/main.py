"""The command line's entry point: the main group, which imports a command's module when it is called."""

from __future__ import annotations

import codecs
import gc
import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import Any, TextIO

import click

from snowpipe_ml.errors import SnowpipeMLError
from snowpipe_ml.text.printable import indented
from snowpipe_ml.text.redaction import RedactedStream, mask_logs, remember_secrets, remember_shapes
from snowpipe_ml.version import __version__

# Command -> where it is defined, and the first sentence of its help, so that `--help` need not import it.
_COMMANDS: dict[str, tuple[str, str]] = {
    "cancel": (
        "cancel:cancel",
        "Cancel RUN of SPEC on a target. The default is the run that holds the lock.",
    ),
    "compare": (
        "compare:compare_command",
        "Compare SPEC at two commits: steps, SQL, tables, forecasts and cost, as Markdown for a pull request.",
    ),
    "cost": ("cost:cost", "Show the credits of RUN by step and warehouse. The default is the last run."),
    "dashboard": (
        "dashboard:dashboard",
        "Show forecasts, models and runs of SPEC in a browser, until Ctrl-C.",
    ),
    "diff": ("history:diff", "Compare RUN1 and RUN2: their specs, row counts and metrics."),
    "diff-data": (
        "diff_data:diff_data_command",
        "Compare the tables of SPEC on two targets: columns, counts, and rows by key.",
    ),
    "doctor": (
        "doctor:doctor",
        "Ask the account of a target what SPEC lacks there.",
    ),
    "env": (
        "environments:environments_group",
        "List or drop the environments of a target, which `run --env` makes.",
    ),
    "explain": ("explain:explain_command", "Explain the error CODE: its cause, an example, and what to do."),
    "explore": (
        "explore:explore",
        "Explore TABLE on the target of SPEC, and suggest the steps of a forecast.",
    ),
    "export": ("export:export", "Make a pipeline run without this machine."),
    "graph": ("plan:graph", "Print the graph of SPEC."),
    "init": (
        "authoring:init",
        "Create a pipeline in DIRECTORY: copy a template, or write a spec for a CSV file.",
    ),
    "lineage": ("history:lineage", "Show which run and step wrote TABLE, and from which inputs."),
    "logs": (
        "history:logs",
        "Show the steps of RUN, or every detail of one STEP. The default is the last run.",
    ),
    "mcp": ("mcp:mcp", "Serve pipelines to editors and agents, over the Model Context Protocol."),
    "packages": (
        "packages:packages",
        "Show the source of each package that the imports of SPEC need, and why.",
    ),
    "plan": ("plan:plan", "Show what a run of SPEC would do, in order, and why."),
    "record": (
        "record:record",
        "Record what a target answers to SPEC, or compare a record with the embedded warehouse.",
    ),
    "repair": (
        "repair:repair_command",
        "Copy what can be read of the damaged embedded warehouse in FOLDER to NEW_FOLDER.",
    ),
    "report": ("history:report", "Write the report of RUN as one HTML file. The default is the last run."),
    "run": ("run:run", "Run the steps that changed in SPEC or on the target since their last success there."),
    "runs": ("history:runs", "List the runs of SPEC on a target."),
    "schema": ("authoring:schema", "Write the JSON Schema with which editors check a spec."),
    "serve": (
        "query:serve",
        "Serve the embedded warehouse of SPEC to Snowflake's own clients, until Ctrl-C.",
    ),
    "setup": (
        "doctor:setup",
        "Make what an administrator makes for SPEC once: roles, users, databases, shares, privileges.",
    ),
    "sql": ("query:sql_command", "Run STATEMENT on the target of SPEC and print its rows."),
    "status": ("query:status", "Show the last run of SPEC on a target."),
    "steps": ("authoring:steps", "List the step types, or show the settings and an example of TYPE."),
    "test": (
        "unit_tests:test",
        "Run the unit tests of SPEC, each on a new embedded warehouse that holds only what the test gives.",
    ),
    "try": ("attempt:try_command", "Try a model on a few series of SPEC, without writing a table."),
    "validate": ("plan:validate", "Check SPEC and the files that it names, without a connection."),
}

# Start-up creates many objects and no garbage: garbage collection would take a tenth of its time.
gc.set_threshold(100_000, 20, 20)


class _Group(click.Group):
    """A group of commands that are imported when they are called; errors become a message and an exit code.

    Secrets are redacted in all output, and characters that would control the terminal are escaped.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        if "duckdb" in sys.modules:  # DuckDB reports objects that it never frees as leaks
            return _imported(*_COMMANDS[cmd_name][0].split(":"))
        # What is imported is no garbage: neither its import nor the end of the process looks for any in it.
        gc.disable()
        command = _imported(*_COMMANDS[cmd_name][0].split(":"))
        gc.freeze()
        gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of the commands without importing them."""
        width = formatter.width - 6 - max(map(len, _COMMANDS))
        rows = [
            (name, click.Command(name, help=text).get_short_help_str(width))
            for name, (_, text) in _COMMANDS.items()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(self, *arguments: Any, **named: Any) -> Any:
        """Run the command; redact all of its output, including usage errors and tracebacks."""
        out: Any = RedactedStream(_in_utf8(sys.stdout))
        err: Any = RedactedStream(_in_utf8(sys.stderr))
        mask_logs()
        _remember_given(named.get("args") or (arguments[0] if arguments else None) or sys.argv[1:])
        with redirect_stdout(out), redirect_stderr(err):
            try:
                return super().main(*arguments, **named)
            except Exception:  # a bug in the package: print the traceback, without secrets
                traceback.print_exc()
                sys.exit(1)

    def invoke(self, ctx: click.Context) -> object:
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


def _remember_given(arguments: Sequence[str]) -> None:
    """Remember the secrets of the environment and of the command line, before anything can show them."""
    remember_secrets(os.environ)
    for argument in arguments:
        name, equals, value = str(argument).removeprefix("--var=").partition("=")
        if equals and name.isidentifier():
            remember_secrets({name: value})
        remember_shapes(str(argument))


def _imported(module: str, function: str) -> click.Command:
    command: click.Command = getattr(import_module(f"snowpipe_ml.cli.{module}"), function)
    return command


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


if __name__ == "__main__":
    main()
