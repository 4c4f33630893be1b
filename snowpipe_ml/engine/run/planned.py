"""The plan of a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from snowpipe_ml.engine.plan.decisions import Action, Decision, decide
from snowpipe_ml.engine.plan.fingerprint import fingerprints
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.engine.plan.selection import select as choose
from snowpipe_ml.engine.plan.task_limits import limit_problems, linked
from snowpipe_ml.engine.plan.tasks import tasks
from snowpipe_ml.engine.run.backfill import fillings
from snowpipe_ml.engine.run.environments import exists
from snowpipe_ml.engine.run.hooks import hook_reads
from snowpipe_ml.engine.run.opened import OpenRun
from snowpipe_ml.engine.run.opening import connector, opener
from snowpipe_ml.engine.run.run import new_run
from snowpipe_ml.engine.run.sessions import Sessions
from snowpipe_ml.engine.run.source import Source
from snowpipe_ml.engine.run.tagging import planned_with_tags, values_of
from snowpipe_ml.engine.run.whole import What
from snowpipe_ml.errors import SpecError
from snowpipe_ml.plugins import Changes, PlanContext, StepPlan
from snowpipe_ml.plugins.connection import Asked, Asks, Connection
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.models import Tag
from snowpipe_ml.sql import Sql

log = logging.getLogger("snowpipe_ml.engine")


@dataclass(frozen=True)
class PlannedStep:
    """A node of a plan.

    Attributes:
        decision: whether and why the node would run; None if the plan was not compared with the target.
        changes: how the existing object of a declared node differs from the spec; None if it is new, if the node
            would not run, or if the plan was not compared.
    """

    name: str
    type: str
    declared: bool
    needs: tuple[str, ...]
    plan: StepPlan
    decision: Decision | None = None
    changes: Changes | None = None

    @property
    def statements(self) -> tuple[Sql, ...]:
        """The statements with which a run would change the target.

        Those of the plan are for outputs that do not exist yet: an existing table of the same columns is overwritten
        with INSERT OVERWRITE, and any other replacement says COPY GRANTS COPY TAGS.
        """
        return self.plan.statements if self.changes is None else self.changes.statements


Look = Callable[[Spec, Graph, PlanContext, Connection], None]
"""Looks at the target of a plan, with its open connection."""


def planned(
    source: Source, target: str | None, what: What, *, compare: bool, look: Look | None = None
) -> list[PlannedStep]:
    """Return the nodes of a run in order, and what each would do; see :meth:`snowpipe_ml.Pipeline.plan`.

    Raises:
        SpecError: the spec is invalid, or has a schedule and exceeds Snowflake's limits on task graphs.
    """
    run = new_run(what.run_date)
    spec, graph, ctx = source.load(target, run)
    if spec.pipeline.task_schedule is not None and not (what.select or what.exclude):
        problems = limit_problems(spec, graph, linked(spec, tasks(graph, ctx, spec.fanned)))
        if problems:
            raise SpecError(problems)
    if (
        compare
        and spec.environment is not None
        and not spec.target.is_empty(source.base_dir)
        and not exists(spec, source.path)
    ):
        log.warning(
            "the environment %s does not exist yet: a run clones %s, and then does what would be done there now",
            spec.environment.name,
            ", ".join(map(str, spec.environment.schemas)),
        )
        return planned(source.in_base(), target, what, compare=True, look=look)
    decisions: Mapping[str, Decision] = {}
    changes: Mapping[str, Changes] = {}
    if not compare:
        chosen, excluded = list(what.select), list(what.exclude)
        if chosen or excluded:
            graph = choose(graph, chosen, excluded, also_read=hook_reads(spec))
    elif spec.target.is_empty(source.base_dir):
        graph = (
            choose(graph, what.select, what.exclude, lambda: set(graph.nodes), hook_reads(spec))
            if what.select or what.exclude
            else graph
        )
        prints = fingerprints(graph, ctx, run)
        filled = {} if what.backfill is None else fillings(graph, ctx, what.backfill, prints, {}, {})
        reasons = {name: filling.reason for name, filling in filled.items()}
        decisions = decide(graph, ctx, prints, {}, {}, refresh=what.full_refresh, backfill=reasons)
    else:
        with closing(connector(spec, source.path)()) as connection:
            sessions = Sessions(opener(spec, source.path))  # none is opened
            at = OpenRun.on(source, run, (spec, graph, ctx), connection, sessions)
            at.reload()
            decided = at.decided(
                what.select, what.exclude, full_refresh=what.full_refresh, backfill=what.backfill
            )
            graph, ctx, decisions = decided.graph, at.ctx, decided.decisions
            if look is not None:
                look(at.spec, graph, ctx, connection)
            changes = _changes(graph, ctx, decisions, Asked(connection))
    return [
        PlannedStep(
            name,
            node.step.type_name,
            node.declared,
            tuple(graph.needs(name)),
            _tagged(node, spec.pipeline.tags, node.step.plan(ctx)),
            decisions.get(name),
            changes.get(name),
        )
        for name, node in graph.nodes.items()
    ]


def _tagged(node: Node, tags: Mapping[str, Tag], plan: StepPlan) -> StepPlan:
    """Return a plan with the statements that tag the outputs of the step."""
    return replace(plan, statements=planned_with_tags(node, values_of(tags), plan.statements))


def _changes(
    graph: Graph, ctx: PlanContext, decisions: Mapping[str, Decision], target: Asks
) -> dict[str, Changes]:
    """Compare the existing objects of the declared nodes that would run with the spec."""
    found = {}
    for name, node in graph.nodes.items():
        if node.declared and decisions[name].action is Action.RUN:
            changes = node.step.changes(ctx, target)
            if changes is not None:
                found[name] = changes
    return found
