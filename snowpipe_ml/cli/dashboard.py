"""The command ``dashboard``."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.cli.options import spec_options
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
def dashboard(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    port: int | None,
    address: str,
    headless: bool,
) -> None:
    """Show forecasts, models and runs of SPEC in a browser, until Ctrl-C."""
    launch(spec, target, variables, port=port, address=address, headless=headless)
