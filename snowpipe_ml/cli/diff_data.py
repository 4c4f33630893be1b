"""The command ``diff-data``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from snowpipe_ml.cli.options import json_option, key_option, open_pipeline, spec_options
from snowpipe_ml.data_diff.diff import Presence, Question, TableDiff, diff_data
from snowpipe_ml.data_diff.found import Found
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import UsageError
from snowpipe_ml.sql import Identifier
from snowpipe_ml.text.printable import one_line
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.data import DiffDataOutput
from snowpipe_ml.ui.table_diffs import diff_dict
from snowpipe_ml.unit_tests.compare import Difference, shown

_WIDTH = 80
_COLUMNS = 10
"""Columns with changed rows that are listed."""


@click.command("diff-data")
@spec_options
@click.option("--with", "other", metavar="NAME", help="The target to compare with.")
@click.option("--env", metavar="NAME", help="Compare with an environment of the target instead.")
@click.option(
    "--select",
    metavar="TABLES",
    multiple=True,
    help="Tables to compare, with * and ?. The default: all that SPEC writes or declares. Repeatable.",
)
@key_option
@click.option("--ignore", metavar="COLUMN", multiple=True, help="A column not to compare. Repeatable.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=1),
    default=1e-9,
    show_default=True,
    help="The largest relative difference of two equal FLOAT values; absolute below 1.",
)
@json_option
@click.pass_context
def diff_data_command(
    ctx: click.Context,
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    other: str | None,
    env: str | None,
    select: tuple[str, ...],
    keys: tuple[str, ...],
    ignore: tuple[str, ...],
    tolerance: float,
    as_json: bool,
) -> None:
    """Compare the tables of SPEC on two targets: columns, counts, and rows by key.

    With --env, compare a target with one of its environments.

    The exit code is 1 if a table differs.
    """
    try:
        ignored = {Identifier.parse(name) for name in ignore}
    except ValueError as error:
        raise UsageError(f"--ignore: {error}") from error
    if (other is None) == (env is None):
        raise UsageError("give one of --with (another target) and --env (an environment of the target)")
    pipeline = open_pipeline(spec, variables)
    there = None if env is None else Pipeline.from_yaml(spec, vars=variables, env=env)
    here = pipeline.load(target)[0].target_name
    found = []
    label = f"{here} --env {env}" if other is None else other
    question = Question(select, keys, ignored, tolerance)
    for table in diff_data(pipeline, target, target if other is None else other, question, there):
        found.append(table)
        if not as_json:
            for line in _lines(table, here, label, tolerance):
                click.echo(line)
    differ = sum(table.differs for table in found)
    if as_json:
        click.echo(output_json(DiffDataOutput.model_validate([diff_dict(table) for table in found])))
    else:
        click.echo(
            f"{differ} of {len(found)} tables differ"
            if differ
            else f"{len(found)} table{'' if len(found) == 1 else 's'}, no difference"
        )
    ctx.exit(1 if differ else 0)


def _lines(table: TableDiff, here: str, there: str, tolerance: float) -> list[str]:
    told = {
        Presence.HERE: f"only on {here}",
        Presence.THERE: f"only on {there}",
        Presence.NEITHER: "on neither target",
        Presence.SAME: "one table for both targets",
    }
    mark = "✗" if table.differs else "✓" if table.presence is Presence.BOTH else "-"
    head = f"{mark} {one_line(str(table.name))}"
    if table.presence is not Presence.BOTH:
        return [f"{head}  {told[table.presence]}"]
    found = table.found
    lines = [head if found is None else f"{head}  {_counted(found, here, there)}{_by(table)}"]
    if table.note:
        lines.append(f"  {one_line(table.note)}")
    for name, first, second in table.schema:
        if first is None or second is None:
            place, kind = (there, second) if first is None else (here, first)
            lines.append(f"  column {one_line(name)} only on {place}: {kind}")
        else:
            lines.append(f"  column {one_line(name)}: {first} on {here}, {second} on {there}")
    if found is None:
        return [*lines, "  no column to compare"]
    return [*lines, *(f"  {line}" for line in _row_lines(table, found, here, there, tolerance))]


def _counted(found: Found, here: str, there: str) -> str:
    if found.here == found.there:
        return _rows(found.here)
    return f"{_rows(found.here)} on {here}, {found.there:,} on {there}"


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _by(table: TableDiff) -> str:
    return " by whole rows" if table.key is None else f" by {one_line(', '.join(map(str, table.key)))}"


def _row_lines(table: TableDiff, found: Found, here: str, there: str, tolerance: float) -> list[str]:
    lines = []
    if table.key is not None:
        for count, place in ((found.repeated_here, here), (found.repeated_there, there)):
            if count:
                lines.append(
                    f"the key is not unique on {place}: {_rows(count)} beyond the first with their key"
                )
    for count, text in (
        (found.only_here, f"only on {here}"),
        (found.only_there, f"only on {there}"),
        (found.changed, "with different values"),
    ):
        if count:
            lines.append(f"{_rows(count)} {text}")
    if found.columns:
        top = [f"{one_line(name)} {count:,}" for name, count in list(found.columns.items())[:_COLUMNS]]
        more = len(found.columns) - len(top)
        lines.append("by column: " + ", ".join(top) + (f", and {more} more columns" if more else ""))
    if found.unread:
        lines.append(f"at least: {_rows(found.unread)} of both targets may differ and were not read")
    if found.sample:
        lines.append(f"- is {here}, + is {there}")
        lines += _fitting(found.sample, tolerance)
    return lines


def _fitting(sample: Sequence[Difference], tolerance: float) -> list[str]:
    """Return the sample with as many of its columns as fit in a line."""
    names = list(sample[0].expected or sample[0].actual or {})
    while True:
        lines = shown(names, sample, tolerance)
        if len(names) == 1 or max(map(len, lines)) <= _WIDTH - 2:
            return lines
        names.pop()
