"""A pipeline as Dagster shows it, without a connection."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.plan.fingerprint import code_versions
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.tasks import Task, TaskKind
from snowpipe_ml.engine.run.opened import SessionFactory
from snowpipe_ml.integrations.following import writers
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.spec.loader import NO_RUN

EXPECT = "expect"


class Translator:
    """Says how a task of a pipeline appears in Dagster. Override its methods, and pass an object of your class."""

    def asset_key(self, pipeline: str, task: Task) -> dg.AssetKey:
        """Return the key of the asset of a task: the pipeline's name, then the step's."""
        return dg.AssetKey([pipeline, *task.name.split(".")])

    def group(self, pipeline: str, task: Task) -> str:
        """Return the group of the asset: the pipeline's name."""
        return pipeline.replace("-", "_")

    def kinds(self, task: Task) -> set[str]:
        """Return the kinds of the asset, at most three: Snowflake, and the type of the step."""
        return {"snowflake", task.type}

    def owners(self, task: Task) -> Sequence[str]:
        """Return the owners of the asset: those of the step's tags that name one, as in ``owner:team:data``."""
        return [tag.removeprefix("owner:") for tag in task.tags if tag.startswith("owner:")]

    def tags(self, task: Task) -> Mapping[str, str]:
        """Return the tags of the asset."""
        return {f"snowpipe_ml/{tag}": "" for tag in task.tags if not tag.startswith("owner:")}


@dataclass(frozen=True)
class Drawn:
    """A pipeline as Dagster shows it.

    Attributes:
        pipeline: the pipeline.
        target: the target's name; the default target if None.
        name: the pipeline's name.
        tasks: all tasks, by name.
        specs: the asset of each task that is shown as one.
        checks: the asset check of each task that is shown as one.
        whole: whether all steps of the pipeline are shown.
        session_factory: opens Sessions on the target; by default, the target of the spec does.
    """

    pipeline: Pipeline
    target: str | None
    name: str
    tasks: Mapping[str, Task]
    specs: Mapping[str, dg.AssetSpec]
    checks: Mapping[str, dg.AssetCheckSpec]
    whole: bool
    session_factory: SessionFactory | None


def draw(
    pipeline: Pipeline,
    target: str | None,
    select: Iterable[str],
    exclude: Iterable[str],
    translator: Translator,
    partitions_def: Any,
    session_factory: SessionFactory | None,
) -> Drawn:
    """Return a pipeline as Dagster shows it; the arguments are those of ``pipeline_assets``."""
    spec, graph, ctx = pipeline.load(target)
    name = spec.pipeline.name
    chosen, excluded = tuple(select), tuple(exclude)
    found = {task.name: task for task in pipeline.tasks(target, select=chosen, exclude=excluded)}
    shown = {n: task for n, task in found.items() if task.kind is not TaskKind.SETUP}
    by_table = writers(task for task in shown.values() if task.type != EXPECT)
    checked: dict[str, str | None] = {
        task.name: next(
            (by_table[r] for r in task.reads if r in by_table and r.name == _checked(task, graph)), None
        )
        for task in shown.values()
        if task.type == EXPECT and not task.foreach
    }
    checks_of = {task: of for task, of in checked.items() if of is not None}
    codes = code_versions(graph, ctx, NO_RUN)
    keys = {n: translator.asset_key(name, task) for n, task in shown.items()}

    def needs(task: Task) -> Iterator[str]:
        """The assets that a task needs; in place of a check, the asset that it checks."""
        for need in task.needs:
            if need in checks_of:
                yield checks_of[need]
            elif need in shown:
                yield need

    specs = {
        n: dg.AssetSpec(
            keys[n],
            deps=[keys[need] for need in dict.fromkeys(needs(task)) if need != n],
            description=task.description or None,
            metadata=_of_code(task, graph, ctx),
            skippable=True,
            group_name=translator.group(name, task),
            code_version=_digest(codes[node] for node in task.nodes),
            owners=list(translator.owners(task)),
            tags=dict(translator.tags(task)),
            kinds=translator.kinds(task),
            partitions_def=partitions_def,
        )
        for n, task in shown.items()
        if n not in checks_of
    }
    checks = {
        n: dg.AssetCheckSpec(
            n,
            asset=keys[of],
            description=shown[n].description or None,
            blocking=graph.nodes[n].step.settings.severity == "error",  # type: ignore[attr-defined]
        )
        for n, of in checks_of.items()
    }
    whole = not chosen and not excluded
    return Drawn(pipeline, target, name, found, specs, checks, whole, session_factory)


def _checked(task: Task, graph: Graph) -> object:
    """The table that an ``expect`` step checks, of those that it reads."""
    return next(r.name for r in graph.nodes[task.nodes[0]].reads if r.at[:1] == ("table",))


def _of_code(task: Task, graph: Graph, ctx: PlanContext) -> dict[str, Any]:
    """The metadata of an asset that is known before a run: the step type, the SQL, and the tables."""
    plans = [graph.nodes[node].step.plan(ctx) for node in task.nodes]
    statements = [statement.text for plan in plans for statement in plan.statements]
    found: dict[str, Any] = {"step type": task.type, "runs in": task.runs_in.value}
    if statements:
        found["SQL"] = dg.MetadataValue.md("```sql\n" + ";\n\n".join(statements) + "\n```")
    tables = [str(resource.name) for resource in task.writes]
    return found | ({"writes": ", ".join(tables)} if tables else {})


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256(" ".join(texts).encode()).hexdigest()[:16]


def is_everything(drawn: Drawn, names: Collection[str]) -> bool:
    """Return whether some tasks are all that the pipeline has, so that a run need not select them."""
    return drawn.whole and len(names) == sum(task.kind is not TaskKind.SETUP for task in drawn.tasks.values())
