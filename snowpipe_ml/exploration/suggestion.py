"""The settings that an exploration suggests, with the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from snowpipe_ml.exploration.analysis import CovariateEffect, HolidayEffect
from snowpipe_ml.exploration.queries import SeriesSummary
from snowpipe_ml.exploration.question import Question
from snowpipe_ml.exploration.seasons import Autocorrelation, Season

_YEAR = 365
_INTERMITTENT = 0.6  # of the periods without rows
_CLEAR = 2.0  # standard errors of a holiday effect
_FEW_HOLIDAYS = 3
_HORIZONS = {"minute": 1, "hour": 48, "day": 14, "month": 12}


@dataclass(frozen=True)
class Findings:
    """The facts from which settings are suggested.

    Attributes:
        question: the table, and the frequency.
        length: the number of periods.
        series: all series, summarized.
        seasons: the tested candidates.
        correlation: the autocorrelation of the total.
        weekday: the mean by weekday as a multiple of the mean.
        holidays: the effects of holidays.
        covariates: the effects of other columns.
        why_frequency: the reason for the frequency.
    """

    question: Question
    length: int
    series: SeriesSummary
    seasons: Sequence[Season]
    correlation: Autocorrelation
    weekday: Sequence[float]
    holidays: Sequence[HolidayEffect]
    covariates: Sequence[CovariateEffect]
    why_frequency: str


@dataclass(frozen=True)
class Chosen:
    """The suggested settings; see :class:`snowpipe_ml.exploration.explored.Suggestion`."""

    season: int
    lags: list[int]
    rolling: list[int]
    date_features: list[str]
    fourier: list[tuple[float, int]]
    holidays: bool
    exogenous: list[CovariateEffect]
    horizon: int
    origins: int
    model: Mapping[str, object]
    why: Mapping[str, str]


def choose(found: Findings) -> Chosen:
    """Choose the settings."""
    every, why = found.question.every, {"frequency": found.why_frequency}
    seasons = [one for one in found.seasons if one.found and one.period != _YEAR]
    yearly = any(one.found and one.period == _YEAR for one in found.seasons)
    season = seasons[0].period if seasons else 1
    why["season"] = _why_season(found, seasons)
    lags = _lags(found, [one.period for one in seasons])
    why["lags"] = (
        f"the period before{' and the same period of a season before' if season > 1 else ''}; others whose partial "
        f"autocorrelation is above {found.correlation.bound:.2g}"
    )
    base = season if season > 1 else every.recent
    rolling = [window for window in (base, 4 * base) if 2 <= window <= found.length // 3]
    if rolling:
        why["rolling"] = "the level of the last season, and of the last four"
    date_features = _date_features(found, season)
    if date_features:
        why["date_features"] = "the values differ by " + " and ".join(
            _CALENDAR[name] for name in date_features
        )
    fourier = [(365.25, 3)] if yearly and every.name == "day" else []
    if fourier:
        why["fourier"] = "a season of a year, as smooth waves"
    exogenous = [one for one in found.covariates if one.p_value < 0.01 and abs(one.correlation) >= 0.15]
    for one in found.covariates:
        told = f"correlation {one.correlation:.2f} beyond trend and season, {_chance(one.p_value)}"
        why[one.column] = told if one in exogenous else f"not used: {told}"
    use_holidays, why_holidays = _holidays(found.holidays)
    if why_holidays:
        why["holidays"] = why_holidays
    horizon = max(1, min(_horizon(found, season), found.length // 5))
    why["horizon"] = f"{horizon} {every.plural} ahead, in the forecast and in the backtest"
    model, why["model"] = _model(found, season)
    return Chosen(
        season=season,
        lags=lags,
        rolling=rolling,
        date_features=date_features,
        fourier=fourier,
        holidays=use_holidays,
        exogenous=exogenous,
        horizon=horizon,
        origins=max(1, min(3, (found.length - max(2 * season, 30)) // horizon)),
        model=model,
        why=why,
    )


_CALENDAR = {"day_of_week": "weekday", "weekend": "weekend", "hour_of_day": "hour", "month": "month"}


def _why_season(found: Findings, seasons: Sequence[Season]) -> str:
    every = found.question.every
    if seasons:
        first = seasons[0]
        more = "".join(f"; {one.period} too ({_chance(one.p_value)})" for one in seasons[1:])
        share = "all" if first.share == 1 else f"{100 * first.share:.0f} %"
        return (
            f"{first.period} {every.plural}: {_chance(first.p_value)}; {share} of the largest series show it when "
            f"tested alone{more}"
        )
    if found.seasons:
        tried = ", ".join(f"{one.period} ({_chance(one.p_value)})" for one in found.seasons)
        return f"none is significant: {tried}"
    if every.season == 1:
        return f"{every.plural} have none"
    return f"{found.length} {every.plural} are too few to show a season of {every.season}"


def _chance(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"


def _lags(found: Findings, seasons: Sequence[int]) -> list[int]:
    most = max(1, found.length // 3)
    sure = [1, *seasons]
    unsure = [2, 3, *(season * times for season in seasons for times in (2, 4))]
    lags = {lag for lag in sure if lag <= most}
    lags |= {lag for lag in unsure if lag <= most and found.correlation.significant(lag)}
    return sorted(lags)


def _date_features(found: Findings, season: int) -> list[str]:
    every = found.question.every
    features = []
    if every.within_a_day and season > 1:
        features.append("hour_of_day")
    weekly = any(one.found and one.period in (7, 168, 2016, 1008, 672, 336) for one in found.seasons)
    if weekly and len(found.weekday) == 7:
        features.append("day_of_week")
        weekdays, weekend = np.array(found.weekday[:5]), np.array(found.weekday[5:])
        if abs(weekdays.mean() - weekend.mean()) > max(float(weekdays.std()), 0.05):
            features.append("weekend")
    if every.name == "month" and season == 12:
        features.append("month")
    return features


def _holidays(effects: Sequence[HolidayEffect]) -> tuple[bool, str]:
    whole = next((one for one in effects if one.name == "all holidays"), None)
    if whole is None:
        return False, ""
    side = "below" if whole.percent < 0 else "above"
    told = (
        f"{whole.days} holidays are {abs(whole.percent):.0f} % {side} trend and season "
        f"({abs(whole.score):.1f} standard errors)"
    )
    if abs(whole.score) >= _CLEAR:
        return True, told
    if whole.days <= _FEW_HOLIDAYS:
        return True, f"{told}, too few to tell"
    return False, f"not used: {told}"


def _horizon(found: Findings, season: int) -> int:
    every = found.question.every
    if every.unit == "minute":
        return every.season
    if every.count == 7:
        return 8
    if every.unit == "month" and every.count > 1:
        return 4 if every.count == 3 else 3
    return max(_HORIZONS[every.unit], season)


def _model(found: Findings, season: int) -> tuple[dict[str, object], str]:
    if found.series.empty > _INTERMITTENT and found.question.settings.zeros:
        return (
            {"type": "ensemble", "candidates": [{"type": "croston_sba"}, {"type": "tsb"}, {"type": "imapa"}]},
            f"half of the series have no rows in {100 * found.series.empty:.0f} % of their periods or more: models of "
            "intermittent demand",
        )
    return (
        {"type": "auto_ets", "season": season, "form": "auto"},
        "a fast model to start with, not compared here with others; ensemble combines several models and takes longer",
    )
