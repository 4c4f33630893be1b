"""The command ``dashboard``."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.cli.options import open_pipeline, spec_options
from snowpipe_ml.dashboard.deployment import deploy, draw, drop
from snowpipe_ml.dashboard.launch import LOOPBACK, launch


@click.command()
@spec_options
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="The port. The default is 8501, or the next free one.",
)
@click.option(
    "--address",
    default=LOOPBACK,
    show_default=True,
    help="The address to listen on. Whoever reaches another one than the default can read all that the dashboard shows.",
)
@click.option("--headless", is_flag=True, help="Do not open a browser.")
@click.option(
    "--deploy",
    "action",
    flag_value="deploy",
    help="Create it on the target as a Streamlit object, which Snowflake runs, or replace it.",
)
@click.option("--sql", "action", flag_value="sql", help="Print the statements of --deploy.")
@click.option("--drop", "action", flag_value="drop", help="Drop what --deploy has created.")
def dashboard(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    port: int | None,
    address: str,
    headless: bool,
    action: str | None,
) -> None:
    """Show forecasts, models and runs of SPEC in a browser, until Ctrl-C."""
    if action is not None:
        app = draw(open_pipeline(spec, variables), target)
        if action == "deploy":
            deploy(app, click.echo)
        elif action == "drop":
            drop(app, click.echo)
        else:
            click.echo("\n".join(f"{statement.text};" for statement in app.statements()))
        return
    launch(spec, target, variables, port=port, address=address, headless=headless)
