"""The commands that look at a spec: ``validate``, ``plan`` and ``graph``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click

from snowpipe_ml.cli.options import (
    open_pipeline,
    run_date_option,
    selection_options,
    spec_options,
)
from snowpipe_ml.doctor.planning import warnings_of
from snowpipe_ml.engine.plan.decisions import Action
from snowpipe_ml.engine.plan.drawing import FORMATS
from snowpipe_ml.engine.plan.notes import notes
from snowpipe_ml.engine.run.planned import PlannedStep
from snowpipe_ml.plugins import Changes
from snowpipe_ml.text.printable import json_text, one_line
from snowpipe_ml.text.redaction import redact_all


@click.command()
@spec_options
def validate(spec: Path, target: str | None, variables: dict[str, object]) -> None:
    """Check SPEC and the files that it names, without a connection."""
    loaded, graph, _ = open_pipeline(spec, variables).load(target, whole=True)
    nodes = graph.nodes.values()
    steps = sum(not node.declared for node in nodes)
    click.echo(f"{spec} is valid: {steps} steps, {len(nodes) - steps} declared objects")
    for note in notes(loaded, graph):
        click.echo(f"note: {one_line(note)}")


@click.command()
@spec_options
@selection_options
@click.option("--sql", "show_sql", is_flag=True, help="Print the statements too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--offline", is_flag=True, help="Do not connect: show what every step would do, changed or not."
)
@click.option("--full-refresh", is_flag=True, help="Plan as if nothing had run before.")
@run_date_option
def plan(
    spec: Path,
    target: str | None,
    variables: dict[str, object],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    show_sql: bool,
    as_json: bool,
    offline: bool,
    full_refresh: bool,
    run_date: date | None,
) -> None:
    """Show what a run of SPEC would do, in order, and why.

    Each step runs, replaces an existing table, or is skipped. To decide this, the plan is compared with
    the target, unless --offline is given. It warns of privileges that the role of a run lacks.
    """
    warnings: list[str] = []
    planned = open_pipeline(spec, variables).plan(
        target,
        select=select,
        exclude=exclude,
        compare=not offline,
        full_refresh=full_refresh,
        run_date=run_date,
        look=lambda *of: warnings.extend(warnings_of(*of)),
    )
    show_plan(planned, show_sql=show_sql, as_json=as_json)
    for warning in warnings:
        click.echo(f"warning: {one_line(warning)}", err=as_json)


def show_plan(planned: Sequence[PlannedStep], *, show_sql: bool, as_json: bool) -> None:
    """Print a plan."""
    if as_json:
        click.echo(json_text(redact_all([_plan_dict(step) for step in planned]), indent=2))
        return
    width = max(len(step.name) for step in planned)
    for step in planned:
        if step.decision is None:
            click.echo(f"{step.name:<{width}}  {one_line(step.plan.summary)}")
        else:
            lost = step.decision.destroys
            mark = f"; DESTROYS {lost}, which no run of this pipeline created" if lost else ""
            click.echo(
                f"{step.decision.action:<8} {step.name:<{width}}  {one_line(step.decision.reason + mark)}"
            )
        for line in _change_lines(step.changes):
            click.echo(f"         {one_line(line)}")
        if show_sql and (step.decision is None or step.decision.action in (Action.RUN, Action.REPLACE)):
            for statement in step.statements:
                click.echo("\n".join(f"    {line}" for line in f"{statement};".splitlines()))
    if any(step.decision is not None for step in planned):
        actions = [step.decision.action for step in planned if step.decision is not None]
        skipped, omitted = actions.count(Action.SKIP), actions.count(Action.OMIT)
        omitted_note = f", {omitted} omitted" if omitted else ""
        click.echo(f"{len(planned) - skipped - omitted} to run, {skipped} unchanged{omitted_note}")


def _change_lines(changes: Changes | None) -> list[str]:
    """Return what differs on the target, and why it would not be changed."""
    if changes is None:
        return []
    return [*map(str, changes.told), *([f"REFUSED: {changes.refused}"] if changes.refused else [])]


def _plan_dict(step: PlannedStep) -> dict[str, object]:
    decision = step.decision
    return {
        "name": step.name,
        "type": step.type,
        "needs": list(step.needs),
        "summary": step.plan.summary,
        "action": decision and decision.action.value,
        "reason": decision and decision.reason,
        "destroys": decision and decision.destroys and str(decision.destroys),
        "changes": step.changes and [dataclasses.asdict(change) for change in step.changes.told],
        "refused": step.changes and step.changes.refused,
        "statements": [str(statement) for statement in step.statements],
    }


@click.command()
@spec_options
@click.option(
    "--format", "format_", type=click.Choice(["mermaid", "dot", "json"]), default="mermaid", show_default=True
)
def graph(spec: Path, target: str | None, variables: dict[str, object], format_: str) -> None:
    """Print the graph of SPEC."""
    click.echo(FORMATS[format_](open_pipeline(spec, variables).graph(target)))
