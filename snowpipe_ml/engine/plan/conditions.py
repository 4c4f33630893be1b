"""``when``: whether a step runs at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import PlanContext, Query, Resource, Step, table
from snowpipe_ml.spec.templates import render_query

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def condition_reads(step: Step[Any], ctx: PlanContext) -> Iterable[Resource]:
    """The tables that a step's condition reads.

    Raises:
        TemplateError: its query is no template.
    """
    when = step.settings.when
    if not isinstance(when, Query):
        return ()
    return [table(name, "when", "query") for name in render_query(when.query, step.scope(ctx))[1]]


def left_out(step: Step[Any]) -> str | None:
    """Why a step is left out, as far as that is known without a connection; None if it is not."""
    return "its condition is false" if step.settings.when is False else None


def left_out_on(session: Session, step: Step[Any], ctx: PlanContext) -> str | None:
    """Why a step is left out, by the value of its condition's query; None if it is not."""
    when = step.settings.when
    if not isinstance(when, Query):
        return None
    rows = session.sql(render_query(when.query, step.scope(ctx))[0].text).collect()
    value = rows[0][0] if rows else None
    if isinstance(value, str):
        raise StepError(f"the query of `when` must return TRUE or FALSE; it returned the text {value!r}")
    return None if value else f"its condition is {'not met by any row' if not rows else str(value).lower()}"
