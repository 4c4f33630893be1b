"""The command ``test``."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import click

from snowpipe_ml.cli.options import json_option
from snowpipe_ml.errors import UsageError
from snowpipe_ml.text.printable import indented
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.specs import TestsOutput
from snowpipe_ml.unit_tests.junit import write_junit
from snowpipe_ml.unit_tests.rewriting import rewrite
from snowpipe_ml.unit_tests.runner import TestResult
from snowpipe_ml.unit_tests.suite import find_tests, run_tests, run_tests_against


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--target", metavar="NAME", help="The target whose variables and names are used.")
@click.option(
    "--select",
    metavar="NAME",
    multiple=True,
    help="Tests to run, with * and ?; step:NAME selects the tests of a step. Repeatable.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Tests that run at once. The default: one per processor."
)
@json_option
@click.option("--junit", type=click.Path(path_type=Path), help="Write the results to this file as JUnit XML.")
@click.option(
    "--update", is_flag=True, help="Write the rows that were found into the expectations, after asking."
)
@click.option("--yes", is_flag=True, help="With --update: do not ask.")
@click.option(
    "--against",
    metavar="TARGET",
    help="Run each test on this target too, in a schema that is dropped afterwards, and show where the two differ.",
)
@click.pass_context
def test(
    ctx: click.Context,
    spec: Path,
    target: str | None,
    select: tuple[str, ...],
    workers: int | None,
    junit: Path | None,
    update: bool,
    yes: bool,
    against: str | None,
    as_json: bool,
) -> None:
    """Run the unit tests of SPEC, each on a new embedded warehouse that holds only what the test gives."""
    began = time.monotonic()
    if as_json and update:
        raise UsageError("--json cannot be combined with --update, which asks")
    if yes and not update:
        raise UsageError("--yes goes with --update")
    if against is not None and (update or target is not None or workers is not None):
        raise UsageError("--against cannot be combined with --update, --target or --workers")
    found = find_tests(spec, select, against or target)
    results = []
    running = (
        run_tests(spec, found, target, workers)
        if against is None
        else run_tests_against(spec, found, against)
    )
    for result in running:
        results.append(result)
        if not as_json:
            click.echo(_line(result))
    if junit is not None:
        order = [test.name for test in found]
        write_junit(junit, spec.stem, sorted(results, key=lambda result: order.index(result.name)))
    if update:
        results = [_updated(result, yes=yes) for result in results]
    failed = sum(not result.ok for result in results)
    if as_json:
        click.echo(output_json(TestsOutput.model_validate(results)))
        ctx.exit(1 if failed else 0)
    counts = f"{len(results) - failed} passed" + (f", {failed} failed" if failed else "")
    click.echo(f"{counts} in {time.monotonic() - began:.1f} s")
    ctx.exit(1 if failed else 0)


def _updated(result: TestResult, *, yes: bool) -> TestResult:
    """Write the expectation of a failed test after asking; return the test as passed if it is written."""
    if not result.updates:
        return result
    file = Path(result.place.rpartition(":")[0])
    if not yes and not click.confirm(f"Write the rows of {result.name} into {file}?", default=False):
        return result
    rewrite(file, [(result.name, update) for update in result.updates])
    click.echo(f"wrote {result.name} in {file}")
    return replace(result, failures=())


def _line(result: TestResult) -> str:
    mark = "✓" if result.ok else "✗"
    head = f" {mark} {result.name}  {result.seconds:.1f} s"
    if result.ok:
        return head
    return "\n".join(
        [f"{head}  {result.place}", *(f"   {indented(text, '   ')}" for text in result.failures)]
    )
