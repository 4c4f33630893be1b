"""Explore a table: queries on the warehouse, then statistics of the few rows per period that they return."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import MissingExtraError, StatementError, UsageError
from snowpipe_ml.exploration import queries
from snowpipe_ml.exploration.analysis import (
    decompose,
    outliers,
    stationarity,
)
from snowpipe_ml.exploration.effects import find_covariates, measure_covariates, measure_holidays, told
from snowpipe_ml.exploration.explored import Exploration, Suggestion
from snowpipe_ml.exploration.panel import coverage_of, hours_of, make_panel, profiles_of
from snowpipe_ml.exploration.pasted import as_yaml
from snowpipe_ml.exploration.question import (
    Question,
    check_columns,
    column_in,
    columns_of,
    frequency_of,
)
from snowpipe_ml.exploration.seasons import autocorrelation, candidates, seasons
from snowpipe_ml.exploration.suggestion import Findings, choose
from snowpipe_ml.exploration.surroundings import Surroundings, country_of
from snowpipe_ml.models.frequencies import DAY, FREQUENCIES
from snowpipe_ml.plugins.connection import Asked, Asks
from snowpipe_ml.sql import Identifier, QualifiedName
from snowpipe_ml.steps.forecasting.frequency import Rhythm, rhythm_of
from snowpipe_ml.steps.forecasting.targets import Aggregate

if TYPE_CHECKING:
    from snowflake.snowpark import Session

_DRAWN = 6  # series whose values are fetched
_SPARSE = 0.7  # fraction of periods without rows from which longer periods are suggested
_ENOUGH = 24  # periods that a longer frequency must leave
_HOURS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0, "month": 720.0}
_LONGER = ("hour", "day", "week", "month", "quarter", "year")


def explore(
    pipeline: Pipeline,
    table: str,
    *,
    series: str,
    time: str,
    value: str | None = None,
    aggregate: Aggregate | None = None,
    frequency: str | None = None,
    timezone: str | None = None,
    stored_timezone: str | None = None,
    calendar: str | None = None,
    holidays: str | None = None,
    exogenous: Sequence[str] | None = None,
    target: str | None = None,
    session: Session | None = None,
) -> Exploration:
    """Explore a table of events or measurements before any model is trained.

    The warehouse aggregates; only rows per period, and those of a few series, reach the client.

    Args:
        pipeline: the pipeline whose target has the table.
        table: the table or view.
        series: the column that identifies a series.
        time: the column with the time of a row.
        value: the column to aggregate; without it, rows are counted.
        aggregate: how values are aggregated; by default their sum.
        frequency: the length of the periods; by default as the rows show it.
        timezone: the time zone in which days begin.
        stored_timezone: the time zone of ``time`` if its type has none.
        calendar: a table of the periods (DATE) that the rows cover; by default that of a `features` step of the table.
        holidays: a country such as ``US``, or a subdivision such as ``US-NJ``; by default that of a `holidays` step.
        exogenous: columns such as ``weather.TEMP`` of tables with a row per period; by default those of a `features`
            step of the table, or the numeric columns of the sources that have a column DATE.
        target: the target's name; the default target if None.
        session: an open Session of the caller's.

    Raises:
        SpecError: the spec is invalid.
        UsageError: a table or column does not exist, or there are too few rows.
        TargetError: the target cannot be reached.
        StatementError: a statement failed on the target.
    """
    from snowflake.connector.errors import Error

    _need_statistics()
    spec, graph, _ = pipeline.load(target)
    around = Surroundings(spec, graph)
    question = Question(
        _table(table, "TABLE"),
        _column(series, "--series"),
        _column(time, "--time"),
        _column(value, "--value") if value is not None else None,
        aggregate,
        frequency_of(frequency) if frequency is not None else None,
        timezone,
        stored_timezone,
        _table(calendar, "--calendar") if calendar is not None else None,
        country_of(holidays) if holidays is not None else None,
    )
    try:
        if session is not None:
            return _explored(Asked(session.connection), question, around, exogenous)
        with closing(pipeline.connect(target)) as connection:
            return _explored(Asked(connection), question, around, exogenous)
    except Error as error:
        raise StatementError(str(error)) from error


def _need_statistics() -> None:
    try:
        import pandas
        import statsmodels
    except ImportError as error:
        raise MissingExtraError("explore", "exploring a table") from error
    del pandas, statsmodels


def _table(text: str, option: str) -> QualifiedName:
    try:
        return QualifiedName.parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def _column(text: str, option: str) -> Identifier:
    try:
        return Identifier.parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def _explored(
    ask: Asks, question: Question, around: Surroundings, exogenous: Sequence[str] | None
) -> Exploration:
    notes: list[str] = []
    around.check_table(ask, question.table)
    kinds = check_columns(ask, question)
    covariates = find_covariates(ask, question, around, exogenous, notes)
    question = replace(_from_spec(ask, question, around), covariates=tuple(covariates))
    overview = queries.overview(ask, question)
    if not overview.series or overview.first is None:
        raise UsageError(
            f"{question.table} has no row with a {question.series} and a {question.time}: there is nothing to explore"
        )
    rhythm = rhythm_of(ask, question.table, question.time, question.series, question.periods)
    question, summary, why = _frequency(ask, question, rhythm)
    top = queries.top_series(ask, question)
    panel = make_panel(ask, question, [one.key for one in top[:_DRAWN]], notes)
    every = question.every
    tested = (
        seasons(panel.filled, [*panel.largest.values()], candidates(every, len(panel.filled)))
        if len(panel.filled) >= 8
        else []
    )
    season = next((one.period for one in tested if one.found and one.period != 365), 1)
    decomposition = decompose(panel.filled, season)
    if decomposition is None:
        notes.append(
            f"{len(panel.filled)} {every.plural} are too few for a decomposition and what is based on it"
        )
    names, holiday_list = measure_holidays(panel, decomposition, notes)
    effects = measure_covariates(ask, panel, decomposition, notes)
    correlation = autocorrelation(panel.filled, max(season, every.season))
    profiles = profiles_of(ask, panel, kinds[question.time.name])
    chosen = choose(
        Findings(
            question,
            len(panel.filled),
            summary,
            tested,
            correlation,
            profiles.weekday,
            holiday_list,
            effects,
            why,
        )
    )
    used = [one for one in covariates if told(one) in {effect.column for effect in chosen.exogenous}]
    years = (panel.days[0].year, panel.days[-1].year + 2)
    suggestion = Suggestion(
        every.name,
        chosen.season,
        chosen.lags,
        chosen.rolling,
        chosen.date_features,
        chosen.fourier,
        chosen.holidays,
        [told(one) for one in used],
        chosen.horizon,
        chosen.model,
        chosen.why,
        as_yaml(question, chosen, used, years, around),
    )
    return Exploration(
        question,
        overview,
        "at any time" if rhythm.hours is None else f"every {rhythm.told}",
        coverage_of(panel, overview),
        summary,
        top,
        panel.times,
        panel.values,
        panel.active,
        panel.largest,
        profiles,
        correlation,
        tested,
        decomposition,
        stationarity(panel.filled, season),
        outliers(decomposition, panel.filled, panel.times, names) if decomposition is not None else [],
        holiday_list,
        effects,
        suggestion,
        notes,
    )


def _from_spec(ask: Asks, question: Question, around: Surroundings) -> Question:
    """Add the calendar and the country that the spec has, where none was given."""
    known, holidays = around.features_of(question.table), around.holidays()
    if question.calendar is None and known is not None and known.settings.calendar is not None:
        calendar = known.settings.calendar
        if ask.listed("OBJECTS", calendar):
            question = replace(question, calendar=calendar)
    elif question.calendar is not None:
        around.check_table(ask, question.calendar)
        column_in(columns_of(ask, question.calendar), Identifier("DATE"), question.calendar, "--calendar")
    if question.country is None and holidays is not None:
        question = replace(question, country=(holidays.settings.country, holidays.settings.subdivision))
    return question


def _frequency(ask: Asks, question: Question, rhythm: Rhythm) -> tuple[Question, queries.SeriesSummary, str]:
    """Return the question with a frequency, the summary of the series at it, and the reason for it."""
    if question.frequency is not None:
        return question, queries.summary(ask, question), "as it was given"
    every = rhythm.frequency
    if every is None:
        assert rhythm.hours is not None
        longer = (FREQUENCIES[name] for name in _LONGER)
        every = next((one for one in longer if hours_of(one) >= rhythm.hours), FREQUENCIES["year"])
        why = (
            f"the rows come every {rhythm.told}, for which there is no frequency; the next longer one has one"
        )
        question = question.of_frequency(every)
        return question, queries.summary(ask, question), why
    found = question.of_frequency(every)
    summary = queries.summary(ask, found)
    regular = rhythm.hours is not None and rhythm.hours != 24
    if regular or every != DAY:
        return found, summary, f"the series have a row every {rhythm.told}"
    often = "every day" if summary.empty == 0 else f"on at least {1 - summary.empty:.0%} of the days"
    why = f"at least half of the series have rows {often}"
    for name in ("week", "month"):
        longer_one = FREQUENCIES[name]
        if summary.empty <= _SPARSE or summary.length * 24 / hours_of(longer_one) < _ENOUGH:
            break
        found = question.of_frequency(longer_one)
        why = f"half of the series have no rows on {summary.empty:.0%} of the days or more, so days would be mostly zero"
        summary = queries.summary(ask, found)
    return found, summary, why
