"""The steps that change between two commits: why, and the SQL that they would send."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pydantic import BaseModel

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.plan.changes import changed_settings
from snowpipe_ml.engine.plan.decisions import has_data
from snowpipe_ml.engine.plan.fingerprint import Fingerprint, fingerprints
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.engine.run.tagging import planned_with_tags, values_of
from snowpipe_ml.plugins import PlanContext, RunInfo
from snowpipe_ml.spec.loader import Spec


class Kind(enum.StrEnum):
    """How a node changes.

    CHANGED: its own settings, SQL or code differ. FOLLOWS: it runs because a node that it needs does.
    """

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    FOLLOWS = "follows"


@dataclass(frozen=True)
class Side:
    """A pipeline at one of the commits.

    Attributes:
        pipeline: the pipeline.
        spec: its spec.
        graph: its graph.
        ctx: the context for planning.
        prints: the fingerprints of its nodes.
        statements: the SQL that a first run of each node sends.
    """

    pipeline: Pipeline
    spec: Spec
    graph: Graph
    ctx: PlanContext
    prints: Mapping[str, Fingerprint]
    statements: Mapping[str, tuple[str, ...]] = field(repr=False)

    @classmethod
    def read(cls, pipeline: Pipeline, target: str | None, run: RunInfo) -> Side:
        """Read a pipeline for a target, without a connection.

        Raises:
            SpecError: the spec is invalid.
            UsageError: the target or a variable does not exist.
        """
        spec, graph, ctx = pipeline.load(target, run)
        tags, here = values_of(spec.pipeline.tags), str(pipeline.base_dir)
        statements = {
            name: tuple(
                str(each).replace(here, ".")
                for each in planned_with_tags(node, tags, node.step.plan(ctx).statements)
            )
            for name, node in graph.nodes.items()
        }
        return cls(pipeline, spec, graph, ctx, fingerprints(graph, ctx, run), statements)


@dataclass(frozen=True)
class StepChange:
    """A node that changes.

    Attributes:
        name: its name.
        type: its type.
        declared: whether it is a declared object and not a step.
        kind: how it changes.
        reason: why, in the words of `plan`.
        sql: the differences of its statements as a unified diff, without its two heads.
    """

    name: str
    type: str
    declared: bool
    kind: Kind
    reason: str
    sql: tuple[str, ...]


def step_changes(base: Side, head: Side, files: Collection[str], folder: PurePosixPath) -> list[StepChange]:
    """Return the nodes that change, in the order of a run; those that are removed come last.

    Args:
        base: the pipeline at the base.
        head: the pipeline at the head.
        files: the paths of the files that differ.
        folder: the folder of the spec; both are relative to the top of the repository.
    """
    found: dict[str, StepChange] = {}
    for name, node in head.graph.nodes.items():
        why = _why(name, node, base, head, found, _named(node, files, folder))
        if why is not None:
            kind, reason = why
            sql = tuple(_diff(base.statements.get(name, ()), head.statements[name]))
            found[name] = StepChange(name, node.step.type_name, node.declared, kind, reason, sql)
    for name, node in base.graph.nodes.items():
        if name not in head.graph.nodes:
            sql = tuple(_diff(base.statements[name], ()))
            reason = "head no longer has it"
            found[name] = StepChange(name, node.step.type_name, node.declared, Kind.REMOVED, reason, sql)
    return list(found.values())


def _why(
    name: str, node: Node, base: Side, head: Side, found: Mapping[str, StepChange], file: str | None
) -> tuple[Kind, str] | None:
    """Return how and why a node changes; None if it does not."""
    before, now = base.prints.get(name), head.prints[name]
    if before is None:
        return Kind.ADDED, "base does not have it"
    old = base.graph.nodes[name].step.type_name
    if old != node.step.type_name:
        return Kind.CHANGED, f"its type changed from {old} to {node.step.type_name}"
    reason = changed_settings(before.settings, now.settings)
    coded = before.code != now.code
    if file is not None and (coded or before.outside != now.outside):
        reason = "; ".join(filter(None, (reason, f"{file} changed")))
    if reason is not None:
        return Kind.CHANGED, reason
    above = [need for need in head.graph.needs(name) if need in found and has_data(head.graph.nodes[need])]
    # As in a plan: SQL that is generated from another step's columns changes with that step.
    if above and has_data(node):
        return Kind.FOLLOWS, f"{above[0]} runs"
    if coded:
        return Kind.CHANGED, "its SQL or code changed"
    if before.outside != now.outside:
        return Kind.CHANGED, "its external source changed"
    return None


def _named(node: Node, files: Collection[str], folder: PurePosixPath) -> str | None:
    """Return a file that differs and that a setting of the node names, as a path or as ``path:name``."""
    models = node.step.settings, getattr(node.step, "model", None)  # the latter is of a declared object
    texts = {
        text
        for model in models
        if isinstance(model, BaseModel)
        for text in _texts(model.model_dump(mode="python"))
    }
    for file in files:
        try:
            written = PurePosixPath(file).relative_to(folder).as_posix()
        except ValueError:  # beside the folder of the spec
            continue
        module = written.removesuffix(".py").replace("/", ".")
        if any(text.partition(":")[0] in (written, module) for text in texts):
            return written
    return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _diff(before: tuple[str, ...], now: tuple[str, ...]) -> Iterator[str]:
    old, new = ([line for text in each for line in f"{text};".splitlines()] for each in (before, now))
    for line in difflib.unified_diff(old, new, n=1, lineterm=""):
        if not line.startswith(("---", "+++")):
            yield line
