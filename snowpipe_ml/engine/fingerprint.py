"""A text that changes when what a step would do changes, and stays when only the run does."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from snowpipe_ml.engine.graph import Graph, Node
from snowpipe_ml.plugins import PlanContext, RunInfo

VERSION = 1


def fingerprints(graph: Graph, ctx: PlanContext, run: RunInfo) -> dict[str, str]:
    """The fingerprint of every node: its own, and those of all that it needs.

    A step's own is made of its type, its settings, and the statements of its plan, in which the text of
    SQL files, the code of functions, locked wheels and declared packages show. The run's id, model id
    and time count by their names.
    """
    found: dict[str, str] = {}
    for name, node in graph.nodes.items():
        above = [found[needed] for needed in graph.needs(name)]
        text = json.dumps([VERSION, _own(node, ctx, run), above], sort_keys=True)
        found[name] = hashlib.sha256(text.encode()).hexdigest()[:32]
    return found


def _own(node: Node, ctx: PlanContext, run: RunInfo) -> list[str]:
    step = node.step
    model = getattr(step, "model", None)
    settings = [step.settings, *([model] if isinstance(model, BaseModel) else [])]
    plan = step.plan(ctx)
    texts = [
        step.type_name,
        *(json.dumps(item.model_dump(mode="python"), sort_keys=True, default=str) for item in settings),
        plan.summary,
        *(str(statement) for statement in plan.statements),
        step.external_version(ctx) or "",
    ]
    return [_without_run(text, run) for text in texts]


def _without_run(text: str, run: RunInfo) -> str:
    values: dict[str, Any] = {"run.id": run.id, "run.model_id": run.model_id, "run.started_at": run.started_at}
    for name, value in values.items():
        text = text.replace(str(value), f"{{{{ {name} }}}}")
    return text
