"""Evaluation of a step's ``when`` condition."""

from __future__ import annotations

from collections.abc import Iterable

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import PlanContext, Query, Resource, RunContext, Step, StepSettings, table
from snowpipe_ml.spec.templates import render_query


def condition_reads(step: Step[StepSettings], ctx: PlanContext) -> Iterable[Resource]:
    """Return the tables that a step's condition reads.

    Raises:
        TemplateError: the query is not a valid template.
    """
    when = step.settings.when
    if not isinstance(when, Query):
        return ()
    return [table(name, "when", "query") for name in render_query(when.query, step.scope(ctx))[1]]


def omission(step: Step[StepSettings]) -> str | None:
    """The reason to leave out a step, if it is known without a connection; None otherwise."""
    return "its condition is false" if step.settings.when is False else None


def omission_on(step: Step[StepSettings], ctx: RunContext) -> str | None:
    """The reason to leave out a step, from the query of its condition; None if the condition holds."""
    when = step.settings.when
    if not isinstance(when, Query):
        return None
    rows = ctx.execute(render_query(when.query, step.scope(ctx))[0])
    value = rows[0][0] if rows else None
    if isinstance(value, str):
        raise StepError(f"the query of `when` must return TRUE or FALSE; it returned the text {value!r}")
    return None if value else f"its condition is {'not met by any row' if not rows else str(value).lower()}"
