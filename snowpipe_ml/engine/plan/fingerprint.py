"""Fingerprints of nodes: digests that change with what a node would do, but not from run to run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.plugins import PlanContext, RunInfo
from snowpipe_ml.text.redaction import redact
from snowpipe_ml.text.secret_names import secret_names

VERSION = 2
# Settings that affect how a step is run, but not its outputs. Those of one type have `exclude`.
_OF_THE_RUN = (
    "type",
    "description",
    "tags",
    "retries",
    "timeout",
    "needs",
    "warehouse",
    "foreach",
    "when",
    "trigger",
)


@dataclass(frozen=True)
class Fingerprint:
    """The fingerprint of a node.

    Attributes:
        whole: the digest of all attributes below, and of ``whole`` of every node that it needs.
        settings: its settings by name, as JSON.
        code: the digest of its type and its plan, with the statements: SQL files, function code,
            locked wheels.
        outside: the digest of the version of what it reads from outside the target.
    """

    whole: str
    settings: Mapping[str, str]
    code: str
    outside: str

    @property
    def own(self) -> str:
        """The digest of its settings and its code, without those of the nodes that it needs."""
        return _own_digest(self.settings, self.code)

    def to_json(self) -> dict[str, object]:
        """Convert the fingerprint to the form in which the state store keeps it."""
        return {
            "fingerprint": self.whole,
            "settings": dict(self.settings),
            "code": self.code,
            "outside": self.outside,
        }


def fingerprints(graph: Graph, ctx: PlanContext, run: RunInfo) -> dict[str, Fingerprint]:
    """Return the fingerprint of every node.

    The run's id, model id and start time, and environment variables with names of secrets, contribute
    their names and not their values.
    """
    masked = _Masked(ctx, run)
    # With other settings of the sessions, the same SQL has other results.
    target = ctx.scope.get("target", {})
    session = {name: target[name] for name in ("timezone", "week_start") if target.get(name) is not None}
    found: dict[str, Fingerprint] = {}
    for name, node in graph.nodes.items():
        settings, code, outside = _parts(node, ctx, masked)
        if node.step.dated:
            settings["run.date"] = json.dumps(run.date.isoformat())
        if session:
            settings["target"] = json.dumps(session, sort_keys=True)
        above = [found[needed].whole for needed in graph.needs(name)]
        whole = _digest(json.dumps([VERSION, settings, code, outside, above], sort_keys=True))
        found[name] = Fingerprint(whole, settings, code, outside)
    return found


def code_versions(graph: Graph, ctx: PlanContext, run: RunInfo) -> dict[str, str]:
    """Return for every node a digest of its settings and code, without those of other nodes, the same in each run.

    Unlike a fingerprint it contains neither what the node reads from outside, nor the nodes that it needs.

    Args:
        graph: the nodes.
        ctx: the planning context.
        run: the run that the spec was loaded for; its date does not count either.
    """
    masked = _Masked(ctx, run, {"run.date": run.date})
    found = {}
    for name, node in graph.nodes.items():
        settings, code = _own(node, ctx, masked)
        found[name] = _own_digest(settings, code)
    return found


def _own_digest(settings: Mapping[str, str], code: str) -> str:
    return _digest(json.dumps([VERSION, dict(settings), code], sort_keys=True))


def _parts(node: Node, ctx: PlanContext, masked: _Masked) -> tuple[dict[str, str], str, str]:
    return (*_own(node, ctx, masked), _digest(masked(node.step.external_version(ctx) or "")))


def _own(node: Node, ctx: PlanContext, masked: _Masked) -> tuple[dict[str, str], str]:
    step = node.step
    settings = step.settings.model_dump(mode="python", by_alias=True, exclude=set(_OF_THE_RUN))
    model = getattr(step, "model", None)
    if isinstance(model, BaseModel):
        settings |= model.model_dump(mode="python", by_alias=True)
    plan = step.plan(ctx)
    return (
        {
            key: masked(json.dumps(value, sort_keys=True, default=str))
            for key, value in sorted(settings.items())
        },
        _digest(masked("\n".join([step.type_name, plan.summary, *(str(s) for s in plan.statements)]))),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class _Masked:
    """Replaces values that must not affect a fingerprint by their names."""

    def __init__(self, ctx: PlanContext, run: RunInfo, more: Mapping[str, object] = {}) -> None:
        environment: Mapping[str, object] = ctx.scope.get("env", {})
        values: dict[str, object] = {
            "run.id": run.id,
            "run.model_id": run.model_id,
            "run.started_at": run.started_at,
            **more,
            **{f"env.{name}": environment[name] for name in secret_names(environment)},
        }
        self._pairs = [
            (str(value), f"{{{{ {name} }}}}") for name, value in values.items() if len(str(value)) > 3
        ]
        self._pairs += ctx.aliases.items()

    def __call__(self, text: str) -> str:
        for value, name in self._pairs:
            text = text.replace(value, name)
        return redact(text)  # as in the state store
