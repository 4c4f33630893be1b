"""A text that changes when what a step would do changes, and stays when only the run does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from snowpipe_ml.engine.plan.graph import Graph, Node
from snowpipe_ml.plugins import PlanContext, RunInfo
from snowpipe_ml.text.redaction import redact, secret_names

VERSION = 2
# Settings that say how a step is run and not what it makes.
_OF_THE_RUN = ("type", "description", "tags", "retries", "timeout", "needs", "warehouse", "foreach", "when")


@dataclass(frozen=True)
class Fingerprint:
    """What a node would do.

    Attributes:
        whole: changes with anything below, and with the whole of every node that it needs.
        settings: its settings by name, as JSON.
        code: its type, and the statements of its plan: SQL files, the code of functions, locked wheels.
        outside: what it reads from outside the target.
    """

    whole: str
    settings: Mapping[str, str]
    code: str
    outside: str

    def to_json(self) -> dict[str, Any]:
        """As the records keep it."""
        return {
            "fingerprint": self.whole,
            "settings": dict(self.settings),
            "code": self.code,
            "outside": self.outside,
        }


def fingerprints(graph: Graph, ctx: PlanContext, run: RunInfo) -> dict[str, Fingerprint]:
    """The fingerprint of every node.

    The run's id, model id and time, and environment variables that are named like a secret, count by
    their names.
    """
    named = _Named(ctx, run)
    found: dict[str, Fingerprint] = {}
    for name, node in graph.nodes.items():
        settings, code, outside = _own(node, ctx, named)
        above = [found[needed].whole for needed in graph.needs(name)]
        whole = _digest(json.dumps([VERSION, settings, code, outside, above], sort_keys=True))
        found[name] = Fingerprint(whole, settings, code, outside)
    return found


def _own(node: Node, ctx: PlanContext, named: _Named) -> tuple[dict[str, str], str, str]:
    step = node.step
    settings = step.settings.model_dump(mode="python", by_alias=True, exclude=set(_OF_THE_RUN))
    model = getattr(step, "model", None)
    if isinstance(model, BaseModel):
        settings |= model.model_dump(mode="python", by_alias=True)
    plan = step.plan(ctx)
    return (
        {
            key: named(json.dumps(value, sort_keys=True, default=str))
            for key, value in sorted(settings.items())
        },
        _digest(named("\n".join([step.type_name, plan.summary, *(str(s) for s in plan.statements)]))),
        _digest(named(step.external_version(ctx) or "")),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class _Named:
    """Puts names in the place of values that must not count."""

    def __init__(self, ctx: PlanContext, run: RunInfo) -> None:
        environment: Mapping[str, str] = ctx.scope.get("env", {})
        values: dict[str, object] = {
            "run.id": run.id,
            "run.model_id": run.model_id,
            "run.started_at": run.started_at,
            **{f"env.{name}": environment[name] for name in secret_names(environment)},
        }
        self._pairs = [
            (str(value), f"{{{{ {name} }}}}") for name, value in values.items() if len(str(value)) > 3
        ]

    def __call__(self, text: str) -> str:
        for value, name in self._pairs:
            text = text.replace(value, name)
        return redact(text)  # as the records have it
