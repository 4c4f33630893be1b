"""The commands that look at an account before the first run, and prepare it: ``doctor`` and ``setup``."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import click

from snowpipe_ml.cli.options import json_option, make_console, open_pipeline, spec_options
from snowpipe_ml.doctor.checks import Finding, Status
from snowpipe_ml.doctor.diagnosis import diagnose
from snowpipe_ml.doctor.script import privileges
from snowpipe_ml.doctor.setup import make, setup_statements
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.outputs.specs import DoctorOutput, FindingOutput
from snowpipe_ml.ui.tables import print_table

_MARKS = {Status.OK: "ok", Status.WARNING: "warn", Status.PROBLEM: "FAIL", Status.UNKNOWN: "?"}


@click.command()
@spec_options
@json_option
@click.option(
    "--offline",
    is_flag=True,
    help="Do not connect: print the privileges that SPEC needs, and a script that grants them.",
)
def doctor(
    spec: Path, target: str | None, variables: dict[str, object], as_json: bool, offline: bool
) -> None:
    """Ask the account of a target what SPEC lacks there.

    Every statement only reads. Each problem is printed with the statement or the setting that mends it. The
    exit code is 1 if a run would fail.
    """
    pipeline = open_pipeline(spec, variables)
    if offline:
        found = privileges(pipeline, target)
        click.echo(
            output_json(DoctorOutput.model_validate(found.as_dict())) if as_json else found.as_markdown()
        )
        return
    findings = diagnose(pipeline, target)
    if as_json:
        click.echo(output_json(DoctorOutput([_output(finding) for finding in findings])))
    else:
        rows = [[_MARKS[f.status], f.check, f.text] for f in findings]
        print_table(make_console(), ("", "check", "finding"), rows)
        # On separate lines, so that they can be copied.
        for finding in findings:
            if finding.remedy:
                click.echo(f"{_MARKS[finding.status]} {finding.check}: {finding.text}\n    {finding.remedy}")
        counts = Counter(finding.status for finding in findings)
        click.echo(", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status]))
    if any(finding.status is Status.PROBLEM for finding in findings):
        sys.exit(1)


def _output(finding: Finding) -> FindingOutput:
    return FindingOutput(
        check=finding.check, status=finding.status.value, finding=finding.text, remedy=finding.remedy
    )


@click.command()
@spec_options
@click.option("--sql", "show_sql", is_flag=True, help="Do not connect: print the script.")
def setup(spec: Path, target: str | None, variables: dict[str, object], show_sql: bool) -> None:
    """Make what an administrator makes for SPEC once: roles, users, databases, shares, privileges.

    The section `setup` of SPEC says what, and names the administrator's connection. What exists is left as it
    is. No run does any of this.
    """
    pipeline = open_pipeline(spec, variables)
    if show_sql:
        for statement in setup_statements(pipeline, target):
            if statement.once is not None:
                click.echo(
                    f"-- Once: Snowflake has no IF NOT EXISTS here. Skip it if {statement.once} exists."
                )
            click.echo(f"{statement.sql};")
        return
    for done in make(pipeline, target):
        click.echo(f"{done};")
