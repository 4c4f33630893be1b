"""The command ``explain``."""

from __future__ import annotations

import click

from snowpipe_ml.cli.options import json_option
from snowpipe_ml.ui.explained import explain, explanations
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.specs import ExplainOutput


@click.command("explain")
@click.argument("code", required=False)
@json_option
def explain_command(code: str | None, as_json: bool) -> None:
    """Explain the error CODE: its cause, an example, and what to do.

    CODE is a number of Snowflake's such as 002003, an exception such as LockedError, an exit code, or a whole message
    that has one of them, or that `init` printed. Without it, all codes are listed.
    """
    found = explanations() if code is None else explain(code)
    if as_json:
        click.echo(output_json(ExplainOutput(list(found))))
    elif code is None:
        width = max(len(one.code) for one in found if one.kind != "message")
        for one in found:
            click.echo(f"{one.code:<{width}}  {one.title or one.cause}")
    else:
        click.echo("\n\n".join(map(str, found)))
