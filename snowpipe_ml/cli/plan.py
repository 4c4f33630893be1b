"""The commands that look at a spec: ``validate``, ``plan`` and ``graph``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import click

from snowpipe_ml.cli.options import (
    env_option,
    json_option,
    make_console,
    open_pipeline,
    run_date_option,
    selection_options,
    spec_options,
)
from snowpipe_ml.doctor.planning import warnings_of
from snowpipe_ml.engine.plan.decisions import Action
from snowpipe_ml.engine.plan.drawing import FORMATS
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.notes import notes
from snowpipe_ml.engine.records.rates import Estimate, estimates
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.run.opening import state_schema
from snowpipe_ml.engine.run.planned import PlannedStep
from snowpipe_ml.errors import SpecError, UsageError
from snowpipe_ml.plugins import Changes, PlanContext
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.text.printable import one_line
from snowpipe_ml.ui.outputs.common import output_json
from snowpipe_ml.ui.planned import check_spec, planned_output
from snowpipe_ml.ui.tables import print_table


@click.command()
@spec_options
@json_option
@click.pass_context
def validate(
    ctx: click.Context, spec: Path, target: str | None, variables: dict[str, object], as_json: bool
) -> None:
    """Check SPEC and the files that it names, without a connection."""
    if as_json:
        checked = check_spec(open_pipeline(spec, variables), target)
        click.echo(output_json(checked))
        ctx.exit(0 if checked.valid else SpecError.exit_code)
    loaded, graph, _ = open_pipeline(spec, variables).load(target, whole=True)
    nodes = graph.nodes.values()
    steps = sum(not node.declared for node in nodes)
    click.echo(f"{spec} is valid: {steps} steps, {len(nodes) - steps} declared objects")
    for note in notes(loaded, graph):
        click.echo(f"note: {one_line(note)}")


@click.command()
@spec_options
@env_option
@selection_options
@click.option("--sql", "show_sql", is_flag=True, help="Print the statements too.")
@click.option(
    "--cost", "show_cost", is_flag=True, help="Estimate the credits of each step from earlier runs."
)
@json_option
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
    show_cost: bool,
    as_json: bool,
    offline: bool,
    full_refresh: bool,
    run_date: date | None,
) -> None:
    """Show what a run of SPEC would do, in order, and why.

    Each step runs, replaces an existing table, or is skipped. To decide this, the plan is compared with
    the target, unless --offline is given. It warns of privileges that the role of a run lacks.
    """
    if show_cost and offline:
        raise UsageError("--cost needs the records of earlier runs, which --offline does not read")
    warnings: list[str] = []
    costs: dict[str, Estimate] = {}

    def look(loaded: Spec, graph: Graph, ctx: PlanContext, connection: Connection) -> None:
        warnings.extend(warnings_of(loaded, graph, ctx, connection))
        if show_cost:
            costs.update(estimates(loaded, graph, ctx, State(connection, state_schema(loaded, connection))))

    planned = open_pipeline(spec, variables).plan(
        target,
        select=select,
        exclude=exclude,
        compare=not offline,
        full_refresh=full_refresh,
        run_date=run_date,
        look=look,
    )
    show_plan(planned, show_sql=show_sql, as_json=as_json, costs=costs if show_cost else None)
    for warning in warnings:
        click.echo(f"warning: {one_line(warning)}", err=as_json)


def show_plan(
    planned: Sequence[PlannedStep],
    *,
    show_sql: bool,
    as_json: bool,
    costs: Mapping[str, Estimate] | None = None,
) -> None:
    """Print a plan; with ``costs``, the estimates of its steps too."""
    if as_json:
        click.echo(output_json(planned_output(planned, costs)))
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
    if costs is not None:
        _show_costs(planned, costs)


def _show_costs(planned: Sequence[PlannedStep], costs: Mapping[str, Estimate]) -> None:
    """Print what the steps that would run are expected to use, and which have not run before."""
    runs = [
        step.name
        for step in planned
        if not step.declared
        and step.decision is not None
        and step.decision.action in (Action.RUN, Action.REPLACE)
    ]
    known = [name for name in runs if name in costs]
    rows = [[name, costs[name].seconds, costs[name].credits] for name in known]
    if rows:
        print_table(make_console(), ("STEP", "SECONDS", "CREDITS"), rows)
    click.echo(
        f"about {sum(costs[name].credits for name in known):.4g} credits, by the last five successes of each step and "
        "without idle time"
    )
    if unknown := [name for name in runs if name not in costs]:
        click.echo(
            f"without an estimate, as they have not succeeded here or their warehouse has no size: {', '.join(unknown)}"
        )


def _change_lines(changes: Changes | None) -> list[str]:
    """Return what differs on the target, and why it would not be changed."""
    if changes is None:
        return []
    return [*map(str, changes.told), *([f"REFUSED: {changes.refused}"] if changes.refused else [])]


@click.command()
@spec_options
@click.option(
    "--format", "format_", type=click.Choice(["mermaid", "dot", "json"]), default="mermaid", show_default=True
)
def graph(spec: Path, target: str | None, variables: dict[str, object], format_: str) -> None:
    """Print the graph of SPEC."""
    click.echo(FORMATS[format_](open_pipeline(spec, variables).graph(target)))
