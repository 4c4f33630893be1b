"""Checked specs and planned steps as plain values, for JSON."""

from __future__ import annotations

import dataclasses

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.plan.notes import notes
from snowpipe_ml.engine.run.planned import PlannedStep
from snowpipe_ml.errors import SpecError
from snowpipe_ml.text.problems import Problem


def check_spec(pipeline: Pipeline, target: str | None) -> dict[str, object]:
    """Check a spec: whether it is valid, every problem with its place, its steps and notes."""
    try:
        loaded, graph, _ = pipeline.load(target, whole=True)
    except SpecError as error:
        problems = [_problem_dict(problem) for problem in error.problems]
        return {"valid": False, "problems": problems, "steps": [], "notes": []}
    steps = [node.name for node in graph.nodes.values() if not node.declared]
    return {"valid": True, "problems": [], "steps": steps, "notes": list(notes(loaded, graph))}


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


def _problem_dict(problem: Problem) -> dict[str, object]:
    position = problem.position
    return {
        "file": str(position.file),
        "line": position.line,
        "column": position.column,
        "message": problem.message,
        "hint": problem.hint,
    }
