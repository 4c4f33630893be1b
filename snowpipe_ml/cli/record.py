"""The command ``record``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from snowpipe_ml.answers.compare import Comparison, counted, replay
from snowpipe_ml.answers.format import Statement, read, write
from snowpipe_ml.answers.recorder import record as recorded
from snowpipe_ml.cli.options import make_console, open_pipeline, selection_options, spec_options
from snowpipe_ml.errors import UsageError
from snowpipe_ml.sql import Identifier
from snowpipe_ml.ui.terminal import Checklist

_WIDTH = 160


@click.command()
@spec_options
@selection_options
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the record to FILE.")
@click.option(
    "--schema",
    metavar="NAME",
    help="Run in this schema instead of that of the target, with the run metadata in the schema NAME_RUNS. Both are created; "
    "drop them afterwards.",
)
@click.option(
    "--hash-names",
    is_flag=True,
    help="Replace the names of objects, columns and steps in the record by hashes.",
)
@click.option(
    "--allow-destructive",
    is_flag=True,
    help="Replace tables on Snowflake even if no run of this pipeline created them.",
)
@click.option(
    "--compare",
    "compared",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Run SPEC on a new embedded warehouse, and print where its answers differ from the record in FILE.",
)
@click.option("--row-counts", is_flag=True, help="With --compare: compare the numbers of rows too.")
def record(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    output: Path | None,
    schema: str | None,
    hash_names: bool,
    allow_destructive: bool,
    compared: Path | None,
    row_counts: bool,
) -> None:
    """Record what a target answers to SPEC, or compare a record with the embedded warehouse.

    With --output, every step of SPEC runs on the target, one after the other, as `run --full-refresh` does. The record
    has the statements, the columns of results, numbers of rows and errors. It has no values: those are stars.

    With --compare, nothing runs on the target. The exit code is 1 if an answer differs.
    """
    if (output is None) == (compared is None):
        raise UsageError("give either --output FILE, to make a record, or --compare FILE")
    pipeline = open_pipeline(spec, variables)
    if compared is not None:
        if schema or hash_names or allow_destructive:
            raise UsageError("--schema, --hash-names and --allow-destructive belong to --output")
        found = replay(
            pipeline, read(compared), target, row_counts=row_counts, select=select, exclude=exclude
        )
        _show(found)
        if found.differences:
            sys.exit(1)
        return
    assert output is not None
    if row_counts:
        raise UsageError("--row-counts belongs to --compare: a record always has the numbers of rows")
    try:
        elsewhere = None if schema is None else Identifier.parse(schema)
    except ValueError as error:
        raise UsageError(f"--schema: {error}") from error
    with Checklist(make_console()) as checklist:
        made = recorded(
            pipeline,
            target,
            schema=elsewhere,
            hash_names=hash_names,
            select=select,
            exclude=exclude,
            listeners=[checklist],
            allow_destructive=allow_destructive,
        )
    write(made, output)
    errors = sum(statement.error is not None for statement in made.statements)
    click.echo(f"{len(made.statements)} statements and {errors} errors in {output}")
    if any(end.status == "failed" for end in made.steps):
        sys.exit(1)


def _show(found: Comparison) -> None:
    last = None
    for difference in found.differences:
        heading = difference.step, difference.statement
        if heading != last:
            statement = _cut(difference.statement) or "the step"
            click.echo(f"{difference.step or 'before the first step'}: {statement}")
            last = heading
        click.echo(f"  {difference.what}: recorded {difference.recorded}")
        click.echo(f"  {'':>{len(difference.what)}}  embedded {difference.embedded}")
    _list("only in the record", found.only_recorded)
    _list("only on the embedded warehouse", found.only_embedded)
    click.echo(f"{found.compared} statements compared, {len(found.differences)} differences")


def _list(title: str, statements: Iterable[Statement]) -> None:
    for text, count in counted(statements):
        click.echo(f"{title}{f' ({count} times)' if count > 1 else ''}: {_cut(text)}")


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
