"""The decision for each node: whether it runs or is skipped, and the reason in words."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from typing import TypedDict

from snowpipe_ml.engine.plan.changes import changed_inputs, changed_outputs, changed_settings, shared_outputs
from snowpipe_ml.engine.plan.conditions import omission
from snowpipe_ml.engine.plan.fingerprint import Fingerprint
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.engine.plan.triggers import Triggers
from snowpipe_ml.engine.plan.versions import Stored, Version, from_json
from snowpipe_ml.errors import MissingExtraError, UsageError
from snowpipe_ml.plugins import Kind, PlanContext, Resource
from snowpipe_ml.plugins.results import ShownChart, ShownCheck, ShownPicture
from snowpipe_ml.sql import QualifiedName
from snowpipe_ml.steps.declared.streams import StreamStep

_NEW = "it has not succeeded on this target yet"


class Action(enum.StrEnum):
    """The action for a node.

    RUN: the node runs. REPLACE: the node runs and replaces an existing table. SKIP: the node is unchanged.
    OMIT: its ``when`` is false, or it depends on an omitted node that has never produced its outputs.
    """

    RUN = "run"
    REPLACE = "replace"
    SKIP = "skip"
    OMIT = "omit"


@dataclass(frozen=True, slots=True)
class Decision:
    """The action for a node, and the reason.

    Attributes:
        destroys: an existing table that no run of the pipeline created, and that would be replaced.
    """

    action: Action
    reason: str
    destroys: QualifiedName | None = None

    @property
    def skips(self) -> bool:
        """Return whether the node is skipped because it is unchanged."""
        return self.action is Action.SKIP


class Details(TypedDict, total=False):
    """The details that the state store keeps about a step that ended, besides the columns of the record.

    The settings, as JSON by name, ``code`` and ``outside`` are the parts of the fingerprint.
    """

    fingerprint: str
    settings: dict[str, str]
    code: str
    outside: str
    inputs: list[Stored]
    outputs: list[Stored]
    warnings: list[str]
    blamed: str | None
    metrics: dict[str, float]
    checks: list[ShownCheck]
    charts: list[ShownChart]
    pictures: list[ShownPicture]
    backfilled: bool


@dataclass(frozen=True)
class Success:
    """The last success of a node on a target.

    Attributes:
        run_id: the run in which the node succeeded.
        details: its recorded details, with its fingerprint.
        inputs: the versions of its inputs before it ran.
        outputs: the versions of its outputs after it ran.
        rows: the number of rows that it wrote.
        at: when it was recorded; UTC, without a time zone.
    """

    run_id: str
    details: Details
    inputs: Mapping[Resource, Version] = field(default_factory=dict)
    outputs: Mapping[Resource, Version] = field(default_factory=dict)
    rows: int | None = None
    at: datetime = datetime.min

    @property
    def fingerprint(self) -> str | None:
        """The recorded fingerprint as a whole."""
        return self.details.get("fingerprint")

    @classmethod
    def read(
        cls, run_id: str, details: Details, rows: int | None = None, at: datetime = datetime.min
    ) -> Success:
        """Create a success from the details of a record."""
        inputs, outputs = from_json(details.get("inputs") or ()), from_json(details.get("outputs") or ())
        return cls(run_id, details, inputs, outputs, rows, at)


@dataclass(frozen=True)
class Turn:
    """The nodes to decide on while other nodes of the run have ended, wait, or run in other processes.

    Attributes:
        names: the nodes to decide on.
        ran: the nodes of ``names`` that a node which ran earlier in this run precedes, each with the reason.
        gone: the nodes of ``names`` that need a node which was omitted from this run and has no outputs, each
            with the reason.
    """

    names: Collection[str]
    ran: Mapping[str, str] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)


def decide(
    graph: Graph,
    ctx: PlanContext,
    prints: Mapping[str, Fingerprint],
    past: Mapping[str, Success],
    now: Mapping[Resource, Version],
    *,
    refresh: bool = False,
    written: Collection[str] = (),
    turn: Turn | None = None,
    backfill: Mapping[str, str | None] = {},
) -> dict[str, Decision]:
    """Decide what to do with each node.

    A node is skipped if its fingerprint, its inputs and its outputs are unchanged since its last success,
    and no node that it needs runs.

    Args:
        graph: the nodes of the run.
        ctx: the planning context.
        prints: the current fingerprints of the nodes.
        past: the last successes of the nodes on the target.
        now: the current versions of the resources from :func:`resources_of`.
        refresh: run everything.
        written: the names of the tables that earlier runs were going to write.
        turn: the nodes to decide on, and what the run has done so far; None to decide on all nodes before
            any has run.
        backfill: the nodes that a backfill computes by intervals, each with the reason that it runs; None if all of
            its intervals are done.
    """
    shared, triggers = shared_outputs(graph), Triggers.read(graph, ctx)
    turn = turn or Turn(graph.nodes)
    nodes = {name: node for name, node in graph.nodes.items() if name in turn.names}
    reasons: dict[str, str] = {}
    omitted = _omitted(graph, nodes, now, turn.gone)
    for name, node in nodes.items():
        if name in omitted:
            continue
        known = past.get(name)
        if name in backfill:
            reason = backfill[name] or (_NEW if known is None else None)
            if reason is not None:
                reasons[name] = reason
            continue
        reason = "--full-refresh" if refresh else _spec_reason(node, ctx, prints[name], known)
        if reason is None:
            # Checked before _change_reason: SQL that is generated from another step's columns
            # changes with that step.
            running = [
                above for above in graph.needs(name) if above in reasons and has_data(graph.nodes[above])
            ]
            reason = f"{running[0]} runs" if running else turn.ran.get(name)
        if reason is None and known is not None:
            reason = _change_reason(node, prints[name], known, now, shared, triggers)
        if reason is not None:
            reasons[name] = reason
    _add_named_by_run(graph, nodes, past, reasons, omitted)
    for name in nodes.keys() - reasons.keys() - omitted.keys():
        reader = _reader(graph, name, graph.nodes[name].writes, reasons)
        if reader is not None and prints[name].outside != past[name].details.get("outside"):
            reasons[name] = f"{reader} needs its newest rows"
    made = {str(output.name) for success in past.values() for output in success.outputs} | set(written)
    return {
        name: Decision(Action.OMIT, omitted[name])
        if name in omitted
        else Decision(_action(node, now), reasons[name], _destroyed(node, now, made))
        if name in reasons
        else Decision(Action.SKIP, _unchanged(past[name], now, triggers))
        for name, node in nodes.items()
    }


def refuse_destruction(decisions: Mapping[str, Decision]) -> None:
    """Refuse a run that would replace tables that no run of the pipeline created.

    Raises:
        UsageError: there are such tables; the message names them.
    """
    found = [f"{name} would replace {made.destroys}" for name, made in decisions.items() if made.destroys]
    if found:
        raise UsageError(
            f"{'; '.join(found)}: these tables exist, and no run of this pipeline created them. Give the steps other "
            "names to write to, or allow it with --allow-destructive"
        )


def require_extras(graph: Graph, decisions: Mapping[str, Decision]) -> None:
    """Refuse a run in which a step lacks an optional module, before earlier steps train for hours.

    Raises:
        MissingExtraError: a module that a step imports in this process is not installed.
    """
    for name, decision in decisions.items():
        if decision.action in (Action.SKIP, Action.OMIT):
            continue
        node = graph.nodes[name]
        for module, extra in node.step.imports_here().items():
            if find_spec(module) is None:
                raise MissingExtraError(extra, f"the step {name} ({node.step.type_name})")


def resources_of(
    graph: Graph, past: Mapping[str, Success], names: Collection[str] | None = None
) -> list[Resource]:
    """Return the resources whose versions :func:`decide` needs: those of some nodes, or of all."""
    found: dict[Resource, None] = {}
    for name, node in graph.nodes.items():
        if names is not None and name not in names:
            continue
        known = past.get(name)
        for resource in (
            *node.reads,
            *node.writes,
            *(known.inputs if known else ()),
            *(known.outputs if known else ()),
        ):
            found[resource] = None
    return list(found)


def _spec_reason(node: Node, ctx: PlanContext, now: Fingerprint, past: Success | None) -> str | None:
    """The reason a node must run even with unchanged inputs: it is new, its settings changed, or it always runs."""
    if past is None:
        return _NEW
    if past.details.get("backfilled"):
        return "its last run computed only the intervals of a backfill"
    return node.step.always_runs(ctx) or changed_settings(past.details.get("settings") or {}, now.settings)


def _change_reason(
    node: Node,
    now: Fingerprint,
    past: Success,
    there: Mapping[Resource, Version],
    shared: set[Resource],
    triggers: Triggers,
) -> str | None:
    """The reason a node must run because its code, inputs or outputs changed; None if nothing changed.

    A stream follows the changes of its table by itself.
    """
    outside = past.details.get("outside") != now.outside
    waits = any(triggers.waits(resource, past.at) for resource in node.writes)
    inputs = {
        resource: version
        for resource, version in past.inputs.items()
        if resource not in there or not triggers.waits(resource, past.at)
    }
    outputs = {
        resource: version
        for resource, version in past.outputs.items()
        if resource not in there
        or not (triggers.waits(resource, past.at) and there[resource].same_view(version))
    }
    return (
        ("its SQL or code changed" if past.details.get("code") != now.code else None)
        or ("its external source changed" if outside and not waits else None)
        or changed_outputs(outputs, there, shared)
        or (None if isinstance(node.step, StreamStep) else changed_inputs(inputs, there))
    )


def _unchanged(past: Success, there: Mapping[Resource, Version], triggers: Triggers) -> str:
    """The reason to skip a node: unchanged, but for sources whose changes wait."""
    changed = [
        triggers.said(resource)
        for resource in past.inputs
        if resource in triggers.of and changed_inputs({resource: past.inputs[resource]}, there)
    ]
    return f"unchanged since {past.run_id}" + (f", but for {', '.join(changed)}" if changed else "")


def has_outputs(node: Node, now: Mapping[Resource, Version]) -> bool:
    """Return whether all outputs of a node exist, so that its dependents can run without it."""
    return all(resource in now for resource in node.writes)


def _omitted(
    graph: Graph, nodes: Mapping[str, Node], now: Mapping[Resource, Version], gone: Mapping[str, str]
) -> dict[str, str]:
    """The nodes whose condition is false or whose dependencies have no outputs, each with the reason."""
    found: dict[str, str] = {}
    for name, node in nodes.items():
        above = [
            needed
            for needed in graph.needs(name)
            if needed in found and not has_outputs(graph.nodes[needed], now)
        ]
        reason = (omission(node.step) if not node.declared else None) or gone.get(name)
        if reason or above:
            found[name] = reason or f"needs {above[0]}, which is omitted"
    return found


def has_data(node: Node) -> bool:
    """Return whether a node that runs changes data, so that the nodes that need it must run too."""
    return not node.declared or node.path[0] == "sources"


def _add_named_by_run(
    graph: Graph,
    nodes: Mapping[str, Node],
    past: Mapping[str, Success],
    reasons: dict[str, str],
    omitted: Mapping[str, str],
) -> None:
    """Add the nodes whose output is named after the run, if a node that runs reads that output.

    Such an output does not exist yet under this run's name, so the node that creates it must run too.
    """
    added = True
    while added:
        added = False
        for name in reversed(list(nodes)):
            if name in reasons or name in omitted:
                continue
            new = named_by_run(graph.nodes[name], past[name])
            reader = _reader(graph, name, new, reasons)
            if reader is not None:
                reasons[name] = f"{reader} needs {new[0].name}"
                for dependent in graph.dependents(name):
                    if dependent in nodes and has_data(graph.nodes[dependent]) and dependent not in omitted:
                        reasons.setdefault(dependent, f"{name} runs")
                added = True


def named_by_run(node: Node, past: Success) -> list[Resource]:
    """Return the outputs of a node that it has not made yet under the name that they have in this run."""
    return [resource for resource in node.writes if resource not in past.outputs]


def _reader(graph: Graph, name: str, resources: Iterable[Resource], reasons: Mapping[str, str]) -> str | None:
    """A node that runs and reads one of the resources; None if there is none."""
    wanted = set(resources)
    for other in graph.dag.successors(name):
        if other in reasons and wanted & set(graph.nodes[other].reads):
            return str(other)
    return None


def _destroyed(node: Node, now: Mapping[Resource, Version], made: Collection[str]) -> QualifiedName | None:
    """An existing table that no run of the pipeline created and that the node would replace, if any."""
    if node.declared:
        return None
    return next(
        (
            r.name
            for r in node.writes
            if r.kind is Kind.TABLE
            and r in now
            and not (r.adds or r.view or str(r.name) in made)
            and isinstance(r.name, QualifiedName)
        ),
        None,
    )


def _action(node: Node, now: Mapping[Resource, Version]) -> Action:
    replaced = any(r.kind is Kind.TABLE and r in now and not r.adds for r in node.writes)
    return Action.REPLACE if replaced and not node.declared else Action.RUN
