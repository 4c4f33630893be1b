"""The command ``test``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from snowpipe_ml.text.printable import indented
from snowpipe_ml.unit_tests.junit import write_junit
from snowpipe_ml.unit_tests.runner import TestResult
from snowpipe_ml.unit_tests.suite import find_tests, run_tests


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
@click.option("--junit", type=click.Path(path_type=Path), help="Write the results to this file as JUnit XML.")
@click.pass_context
def test(
    ctx: click.Context,
    spec: Path,
    target: str | None,
    select: tuple[str, ...],
    workers: int | None,
    junit: Path | None,
) -> None:
    """Run the unit tests of SPEC, each on a new embedded warehouse that holds only what the test gives."""
    began = time.monotonic()
    found = find_tests(spec, select, target)
    results = []
    for result in run_tests(spec, found, target, workers):
        results.append(result)
        click.echo(_line(result))
    if junit is not None:
        order = [test.name for test in found]
        write_junit(junit, spec.stem, sorted(results, key=lambda result: order.index(result.name)))
    failed = sum(not result.ok for result in results)
    counts = f"{len(results) - failed} passed" + (f", {failed} failed" if failed else "")
    click.echo(f"{counts} in {time.monotonic() - began:.1f} s")
    ctx.exit(1 if failed else 0)


def _line(result: TestResult) -> str:
    mark = "✓" if result.ok else "✗"
    head = f" {mark} {result.name}  {result.seconds:.1f} s"
    if result.ok:
        return head
    return "\n".join(
        [f"{head}  {result.place}", *(f"   {indented(text, '   ')}" for text in result.failures)]
    )
