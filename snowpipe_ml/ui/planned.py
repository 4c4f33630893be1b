"""Checked specs and planned steps as outputs for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.plan.notes import notes
from snowpipe_ml.engine.records.rates import Estimate
from snowpipe_ml.engine.run.planned import PlannedStep
from snowpipe_ml.errors import SpecError
from snowpipe_ml.text.problems import Problem
from snowpipe_ml.ui.outputs.specs import (
    ChangeOutput,
    EstimateOutput,
    PlannedOutput,
    PlanOutput,
    ProblemOutput,
    ValidateOutput,
)


def check_spec(pipeline: Pipeline, target: str | None) -> ValidateOutput:
    """Check a spec: whether it is valid, every problem with its place, its steps and notes."""
    try:
        loaded, graph, _ = pipeline.load(target, whole=True)
    except SpecError as error:
        problems = [_problem(problem) for problem in error.problems]
        return ValidateOutput(valid=False, problems=problems, steps=[], notes=[])
    steps = [node.name for node in graph.nodes.values() if not node.declared]
    return ValidateOutput(valid=True, problems=[], steps=steps, notes=list(notes(loaded, graph)))


def planned_output(
    planned: Iterable[PlannedStep], estimates: Mapping[str, Estimate] | None = None
) -> PlanOutput:
    """Convert a plan to an output: what would happen to each step, why, and its statements.

    Args:
        planned: the steps in their order.
        estimates: those of the steps that have run before; None leaves estimates out.
    """
    steps = []
    for step in planned:
        output = _planned(step)
        if estimates is not None:
            known = estimates.get(step.name)
            output.estimate = None if known is None else EstimateOutput.model_validate(known)
        steps.append(output)
    return PlanOutput(steps)


def _planned(step: PlannedStep) -> PlannedOutput:
    decision, changes = step.decision, step.changes
    return PlannedOutput(
        name=step.name,
        type=step.type,
        needs=list(step.needs),
        summary=step.plan.summary,
        action=decision and decision.action.value,
        reason=decision and decision.reason,
        destroys=str(decision.destroys) if decision and decision.destroys else None,
        changes=changes and [ChangeOutput.model_validate(change) for change in changes.told],
        refused=changes and changes.refused,
        statements=[str(statement) for statement in step.statements],
    )


def _problem(problem: Problem) -> ProblemOutput:
    position = problem.position
    return ProblemOutput(
        file=str(position.file),
        line=position.line,
        column=position.column,
        message=problem.message,
        hint=problem.hint,
    )
