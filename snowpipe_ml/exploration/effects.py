"""The effects of holidays and of columns of other tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snowpipe_ml.errors import MissingExtraError, StepError, UsageError
from snowpipe_ml.exploration import queries
from snowpipe_ml.exploration.analysis import (
    CovariateEffect,
    Decomposition,
    HolidayEffect,
    covariate_effect,
    holiday_effects,
)
from snowpipe_ml.exploration.panel import Panel, hours_of
from snowpipe_ml.exploration.question import Covariate, Question
from snowpipe_ml.exploration.surroundings import Surroundings, covariate_of, several_rows
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.steps.data.calendars import public_holidays


def measure_holidays(
    panel: Panel, found: Decomposition | None, notes: list[str]
) -> tuple[dict[str, str], list[HolidayEffect]]:
    """Return the names of the holidays by date, and their effects where a period is a day."""
    q = panel.question
    if q.country is None:
        notes.append("no country is known for holidays: give --holidays, such as US or US-NJ")
        return {}, []
    days = panel.days
    try:
        listed = public_holidays(*q.country, range(days[0].year, days[-1].year + 1))
    except ImportError as error:
        raise MissingExtraError("forecast", "looking at holidays") from error
    except StepError as error:
        raise UsageError(f"--holidays: {error}") from error
    names = {str(day): name for day, name in listed}
    if found is None or hours_of(q.every) != 24:
        if found is not None:
            notes.append(f"effects of holidays are measured by day, and not by {q.every.noun}")
        return names, []
    return names, holiday_effects(found, days[found.start :], dict(listed))


def find_covariates(
    ask: Asks, question: Question, around: Surroundings, given: Sequence[str] | None, notes: list[str]
) -> list[Covariate]:
    """Return the columns of other tables to look at: the given ones, or those of the spec that can be used.

    Raises:
        UsageError: a given column does not exist, or its table has several rows for a time.
    """
    if given is not None:
        found = [covariate_of(ask, text) for text in given]
    else:
        found = [one for one in around.covariates(question.table) if _usable(ask, one, notes)]
    for one in found:
        if several_rows(ask, one):
            raise UsageError(
                f"--exogenous: {one.table} has several rows for a {one.on}: aggregate them in a transform step"
            )
    return found


def _usable(ask: Asks, one: Covariate, notes: list[str]) -> bool:
    """Return whether a column that the spec names can be looked at; note why not."""
    if not ask.listed("OBJECTS", one.table):
        notes.append(f"{told(one)} was not looked at: the target has no table {one.table} yet")
        return False
    if several_rows(ask, one):
        notes.append(f"{told(one)} was not looked at: {one.table} has several rows for a {one.on}")
        return False
    return True


def told(one: Covariate) -> str:
    """Return the name of a column with its table."""
    return f"{one.table}.{one.column}"


def measure_covariates(
    ask: Asks, panel: Panel, found: Decomposition | None, notes: list[str]
) -> list[CovariateEffect]:
    """Return how the columns of other tables go with the values, beyond trend and season."""
    if found is None:
        return []
    clock = panel.question.clock
    first = clock.number(panel.starts[found.start])
    effects = []
    for one in panel.question.covariates:
        rows = queries.covariate(ask, panel.question, one)
        values = np.full(len(found.trend), np.nan)
        if rows:
            places = clock.numbers(np.array([row[0] for row in rows], "datetime64[s]")) - first
            inside = (places >= 0) & (places < len(values))
            values[places[inside]] = [
                np.nan if row[1] is None else row[1] for row, ok in zip(rows, inside, strict=True) if ok
            ]
        effect = covariate_effect(told(one), found, values)
        if effect is None:
            notes.append(
                f"{told(one)} has too few values in these {panel.question.every.plural}, or hardly changes"
            )
        else:
            effects.append(effect)
    return effects
