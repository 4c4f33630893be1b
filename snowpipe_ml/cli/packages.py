"""The command ``packages``."""

from __future__ import annotations

from pathlib import Path

import click

from snowpipe_ml.cli.options import (
    json_option,
    make_console,
    open_pipeline,
    spec_options,
)
from snowpipe_ml.engine.imports import Imports
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.specs import PackagesOutput
from snowpipe_ml.ui.tables import print_table


@click.command()
@spec_options
@click.argument("import_name", metavar="[IMPORT]", required=False)
@click.option("--lock", "write", is_flag=True, help="Resolve again and write the lock file beside SPEC.")
@click.option("--check", is_flag=True, help="Resolve again and fail if the lock file is out of date.")
@click.option(
    "--channel",
    metavar="SOURCE",
    help="The packages of Snowflake's Anaconda channel: 'target' queries the target; otherwise a CSV file with "
    "PACKAGE_NAME and VERSION.",
)
@json_option
def packages(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    import_name: str | None,
    write: bool,
    check: bool,
    channel: str | None,
    as_json: bool,
) -> None:
    """Show the source of each package that the imports of SPEC need, and why.

    The answer is read from the lock file. Without one, the requirements are resolved with uv; --lock
    writes the result. A distribution is taken from Snowflake's Anaconda channel if the spec declares it
    or a declared package depends on it. Otherwise it is staged as a wheel, if it is pure Python.
    """
    found = Imports(open_pipeline(spec, variables), target)
    locks = found.resolved(import_name, fresh=write or check, channel=channel)
    if check:
        found.check(locks)
    if write:
        click.echo(f"wrote {found.write(locks)}", err=True)
    if as_json:
        tables = {name: found.table(lock) for name, lock in locks.items()}
        click.echo(output_json(PackagesOutput.model_validate(tables)))
        return
    for name, lock in locks.items():
        rows = found.table(lock)
        title = f"imports.{name}: {', '.join(lock.requirements)} for Python {lock.python}"
        print_table(
            make_console(),
            ("DISTRIBUTION", "VERSION", "FROM", "WHY"),
            [list(row.values()) for row in rows],
            title=title,
        )
    if check:
        click.echo(f"{found.path.name} is up to date")
