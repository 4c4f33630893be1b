"""Options and helpers shared by several commands."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.spec.document import parse_value
from snowpipe_ml.text.redaction import RedactedStream

if TYPE_CHECKING:
    from rich.console import Console


_F = TypeVar("_F", bound=Callable[..., object])


def read_variables(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, object]:
    """Parse the values of ``--var KEY=VALUE``, each like a value in the spec."""
    found = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE")
        try:
            found[name] = parse_value(value) if value.strip() else ""
        except ValueError as error:
            raise click.BadParameter(f"the value of {name}: {error}") from error
    return found


def spec_options(command: _F) -> _F:
    """Add SPEC, ``--target`` and ``--var`` to a command."""
    command = click.option(
        "--var",
        "variables",
        metavar="KEY=VALUE",
        multiple=True,
        callback=read_variables,
        help="Set a variable of the spec; VALUE is YAML. Repeatable.",
    )(command)
    command = click.option("--target", metavar="NAME", help="The target. The default is that of the spec.")(
        command
    )
    return click.argument("spec", type=click.Path(path_type=Path))(command)


_ENV = "snowpipe_ml.env"


def _keep_env(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    ctx.meta[_ENV] = value


env_option = click.option(
    "--env",
    metavar="NAME",
    callback=_keep_env,
    expose_value=False,
    help="Work in the environment NAME of the target: clones of its schemas, which the first run makes.",
)
"""Adds ``--env`` to a command, whose pipeline :func:`open_pipeline` then opens in the environment."""


def _date(ctx: click.Context, param: click.Parameter, value: datetime | None) -> date | None:
    return value and value.date()


def run_date_option(command: _F) -> _F:
    """Add ``--run-date`` to a command."""
    return click.option(
        "--run-date",
        type=click.DateTime(["%Y-%m-%d"]),
        metavar="YYYY-MM-DD",
        callback=_date,
        help="The run date: `run.date` in SPEC, RUN_DATE in the metrics. The default is today (UTC).",
    )(command)


def selection_options(command: _F) -> _F:
    """Add ``--select`` and ``--exclude`` to a command."""
    command = click.option(
        "--exclude",
        metavar="STEPS",
        multiple=True,
        help="Steps to exclude, in the same grammar. Repeatable.",
    )(command)
    return click.option(
        "--select",
        metavar="STEPS",
        multiple=True,
        help="Steps to select: NAME, +NAME (with its dependencies), NAME+ (with its dependents), 2+NAME, type:TYPE, tag:TAG, "
        "state:modified; a space is a union, a comma an intersection. Repeatable.",
    )(command)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""Adds ``--json`` to a command."""

key_option = click.option(
    "--key",
    "keys",
    metavar="[TABLE=]COLUMNS",
    multiple=True,
    help="Columns that identify a row, as ID,DAY. The default: those that the step declares. Repeatable.",
)
"""Adds ``--key`` to a command that compares tables."""


def given_env() -> str | None:
    """Return the value of ``--env`` of the current command."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_ENV)


def in_env(command: str) -> str:
    """Return a command to suggest, with the ``--env`` of the current one."""
    name = given_env()
    return command if name is None else f"{command} --env {shlex.quote(name)}"


def open_pipeline(spec: Path, variables: dict[str, object]) -> Pipeline:
    """Open the pipeline of a command's SPEC, in the environment of ``--env`` if the command has that option."""
    return Pipeline.from_yaml(spec, vars=variables, env=given_env())


def make_console() -> Console:
    """Create the console for tables and checklists."""
    from rich.console import Console

    # Output that does not go to a terminal is still a table up to this width.
    width = None if sys.stdout.isatty() else 200
    return Console(file=exact_output(), highlight=False, emoji=False, markup=False, width=width)


def exact_output() -> Any:
    """Standard output with secrets redacted but nothing escaped, for exact or already escaped text."""
    return sys.stdout.exact() if isinstance(sys.stdout, RedactedStream) else sys.stdout
