"""``snowpipe-ml cost``: the credits of a run."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.cli.options import env_option, json_option, make_console, open_pipeline, spec_options
from snowpipe_ml.engine.records.cost import RunCost, run_cost
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.history import CostOutput
from snowpipe_ml.ui.tables import print_table


@click.command()
@spec_options
@env_option
@click.argument("run", metavar="[RUN]", required=False)
@json_option
def cost(
    spec: Path, target: str | None, variables: dict[str, object], run: str | None, as_json: bool
) -> None:
    """Show the credits of RUN by step and warehouse. The default is the last run.

    Snowflake attributes credits to statements up to eight hours after they ran.
    """
    with open_pipeline(spec, variables).history(target) as history:
        found = run_cost(history, run)
    if as_json:
        click.echo(output_json(CostOutput.model_validate(found)))
        return
    if not found.steps:
        click.echo(
            f"no credits are attributed to the run {found.run_id}: an account attributes them up to eight hours later, "
            "and none to statements of a tenth of a second or less"
        )
        return
    _print(found)


def _print(found: RunCost) -> None:
    console = make_console()
    steps = [
        [
            step.step,
            step.credits,
            step.statements,
            step.seconds,
            ", ".join(step.warehouses),
            ", ".join(step.outputs),
        ]
        for step in found.steps
    ]
    print_table(console, ("STEP", "CREDITS", "STATEMENTS", "SECONDS", "WAREHOUSES", "WRITES"), steps)
    warehouses = [[one.name, one.credits, one.used, one.idle] for one in found.warehouses]
    print_table(console, ("WAREHOUSE", "CREDITS", "USED_IN_THESE_HOURS", "IDLE"), warehouses)
    click.echo(f"run {found.run_id}: {found.credits:.4f} credits, without idle time")
    for text in found.advice:
        click.echo(text)
