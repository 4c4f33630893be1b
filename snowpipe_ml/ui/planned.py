"""Planned steps as plain values, for JSON."""

from __future__ import annotations

import dataclasses

from snowpipe_ml.engine.run.planned import PlannedStep


def planned_dict(step: PlannedStep) -> dict[str, object]:
    """Convert a planned step to a dict: what would happen to it, why, and its statements."""
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
