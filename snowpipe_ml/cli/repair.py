"""The command ``repair``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snowpipe_ml.errors import MissingExtraError
from snowpipe_ml.text.printable import visible

if TYPE_CHECKING:
    from snowpipe_ml.local.core.repair import Rescued


@click.command("repair")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("new_folder", type=click.Path(path_type=Path))
def repair_command(folder: Path, new_folder: Path) -> None:
    """Copy what can be read of the damaged embedded warehouse in FOLDER to NEW_FOLDER.

    FOLDER is only read. The exit code is 1 if something could not be read.
    """
    if find_spec("duckdb") is None:
        raise MissingExtraError("local", "the embedded warehouse")
    # Only now: `--help` need not import DuckDB.
    found: list[Rescued] = import_module("snowpipe_ml.local.core.repair").repair(folder, new_folder)
    for each in found:
        if each.lost or (each.rows is not None and not each.name.startswith("_SNOWPIPE.")):
            rows = "" if each.rows is None else f" {each.rows} rows"
            missing = f"; lost: {each.lost}" if each.lost else ""
            click.echo(visible(f"{each.database}{'.' if each.name else ''}{each.name}{rows}{missing}"))
    lost = sum(bool(each.lost) for each in found)
    click.echo(
        f"{new_folder}: everything was copied"
        if not lost
        else f"{new_folder}: parts of {lost} objects are lost"
    )
    raise SystemExit(1 if lost else 0)
