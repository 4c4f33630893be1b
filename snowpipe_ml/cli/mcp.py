"""The command ``mcp``."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.integrations.mcp.server import Tools, make_server


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The folder whose specs may be opened. The default is the current one.",
)
@click.option(
    "--allow-writes",
    is_flag=True,
    help="Run any statement, and pipelines on accounts too. Without it, the tool `sql` only reads.",
)
def mcp(directory: Path, allow_writes: bool) -> None:
    """Serve pipelines to editors and agents, over the Model Context Protocol.

    An editor starts it. Tools: validate, plan, run, logs, sql, explain, search_docs.
    """
    make_server(Tools(directory, allow_writes=allow_writes)).run("stdio")
