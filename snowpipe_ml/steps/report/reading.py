"""Read the forecasts of a pipeline from the target, for its report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from snowpipe_ml.plugins import Kind, PlanContext, Resource, Step, StepSettings
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.forecasting.features import Features
from snowpipe_ml.steps.forecasting.forecast import ForecastFromSaved
from snowpipe_ml.steps.forecasting.leaderboard import BASELINES, Leaderboard, compared
from snowpipe_ml.steps.forecasting.models import name_of
from snowpipe_ml.steps.forecasting.panels import explanation_column
from snowpipe_ml.steps.forecasting.train import TrainForecasters
from snowpipe_ml.steps.forecasting.words import feature_words
from snowpipe_ml.steps.report.reported import Curve, Reported, Score, Without

MOST_SERIES = 2000
"""The most series of a report, the largest ones."""
_POINTS = 75_000  # values of the history in a report: it should stay below 3 MB
_FEWEST_PERIODS, _MOST_PERIODS = 28, 365
_MOST_LISTED = 2000  # series without a forecast


@dataclass(frozen=True)
class Sources:
    """The steps around a table of forecasts.

    Attributes:
        source: the step that writes it.
        features: the step that writes the features.
        trained: the step that trained the models; None if it is in another spec.
        board: the step that scores the models.
        ctx: the context for planning.
    """

    source: TrainForecasters | ForecastFromSaved
    features: Features
    trained: TrainForecasters | None
    board: Leaderboard | None
    ctx: PlanContext

    @property
    def table(self) -> Resource:
        """The table of forecasts."""
        return Resource(Kind.TABLE, self.source.settings.writes)

    @property
    def used(self) -> str | None:
        """The name of the model."""
        if self.trained is None:
            return None
        return name_of(self.trained.deployed(self.ctx).settings.model)

    @property
    def tables(self) -> list[Resource]:
        """All tables that are read."""
        names = [self.features.settings.writes, self.features.settings.left_out]
        if self.trained is not None:
            names.append(self.trained.settings.writes)
        if self.board is not None:
            names.append(self.board.settings.writes)
        others = [Resource(Kind.TABLE, name) for name in names if name is not None]
        return list(dict.fromkeys([self.table, *others]))


def sources_of(steps: Iterable[Step[StepSettings]], ctx: PlanContext) -> list[Sources]:
    """Return the tables of forecasts of a pipeline, with the steps around them."""
    every = list(steps)
    found = []
    for step in every:
        if not isinstance(step, TrainForecasters | ForecastFromSaved):
            continue
        trained = step if isinstance(step, TrainForecasters) else step.trained(ctx)
        boards = (one for one in every if isinstance(one, Leaderboard))
        board = None
        if trained is not None:
            board = next((b for b in boards if b.settings.forecasts == trained.settings.writes), None)
        found.append(Sources(step, step.features(ctx), trained, board, ctx))
    return found


def read_forecasts(ask: Asks, of: Sources, there: Iterable[Resource]) -> Reported:
    """Read a table of forecasts, and what is known about it.

    Args:
        ask: a connection to the target.
        of: the table and the steps around it.
        there: the tables that are as the run of the report has left them; no others are read.
    """
    known = {resource.name for resource in there}
    features = of.features
    if features.settings.writes in known:  # a step that is only planned takes an unknown frequency as days
        features = features.as_written(ask)
    every = features.settings.every
    counted = sql("COUNT(DISTINCT {key})", key=features.settings.partition_by)
    (row,) = ask.execute(shares_query(of.source.settings.writes, features.feature_columns, counted))
    count, *shares = (row[place] for place in range(1 + len(features.feature_columns)))
    dates, curves = _curves(ask, of, features, count)
    trained = of.trained if of.trained is not None and of.trained.settings.writes in known else None
    board = of.board is not None and of.board.settings.writes in known
    without, unlisted = _without(ask, of, features, known)
    return Reported(
        of.source.name,
        str(of.source.settings.writes),
        features.settings.partition_by.name,
        f"{features.settings.target.name} per {every.noun}",
        every.noun,
        dates,
        curves,
        count,
        _board(ask, of.board) if board and of.board is not None else [],
        of.used,
        _scores(ask, of, trained) if trained is not None else [],
        without,
        unlisted,
        _importance(features, shares),
    )


def _curves(ask: Asks, of: Sources, features: Features, count: int) -> tuple[list[str], list[Curve]]:
    s, forecasts = features.settings, of.source.forecasts(of.ctx)
    shown = min(count, MOST_SERIES)
    periods = max(_FEWEST_PERIODS, min(_MOST_PERIODS, _POINTS // max(shown, 1)))
    past = Sql("")
    if forecasts.history is not None:
        table, target = forecasts.history
        past = sql(
            "\n  UNION ALL SELECT {key}::VARCHAR, DATE, 'train', {target}::FLOAT, NULL, NULL, NULL, NULL, NULL FROM {table}",
            key=s.partition_by,
            target=target,
            table=table,
        )
    rows = ask.execute(
        sql(
            """WITH POINTS AS (
  SELECT {key}::VARCHAR AS SERIES, DATE, PART, ACTUAL, PREDICTION, LOW, HIGH, MODEL, MESSAGE FROM {table}
  WHERE PART IN ('train', 'validation', 'forecast'){past}
), CHOSEN AS (
  SELECT SERIES, SUM(ACTUAL) AS TOTAL FROM POINTS GROUP BY SERIES HAVING COUNT_IF(PART = 'forecast') > 0
  QUALIFY ROW_NUMBER() OVER (ORDER BY TOTAL DESC NULLS LAST, SERIES) <= {most}
), LAST_POINTS AS (
  SELECT P.* FROM POINTS P JOIN CHOSEN C ON C.SERIES = P.SERIES
  QUALIFY PART = 'forecast' OR ROW_NUMBER() OVER (PARTITION BY P.SERIES, IFF(PART = 'forecast', 1, 0) ORDER BY DATE DESC)
    <= {periods}
)
SELECT SERIES, DATE, PART, ACTUAL, PREDICTION, LOW, HIGH, MODEL, MESSAGE FROM LAST_POINTS ORDER BY SERIES, DATE""",
            key=s.partition_by,
            table=forecasts.table,
            past=past,
            most=Literal(shown),
            periods=Literal(periods),
        )
    )
    dates = sorted({row[1] for row in rows})
    places = {day: place for place, day in enumerate(dates)}
    series: dict[str, list[Sequence[Any]]] = {}
    for row in rows:
        series.setdefault(str(row[0]), []).append([row[place] for place in range(9)])
    curves = [_curve(key, points, places) for key, points in series.items()]
    return [_day(day) for day in dates], sorted(curves, key=lambda one: (-one.total, one.key))


def _curve(key: str, rows: Sequence[Sequence[Any]], places: Mapping[date, int]) -> Curve:
    past = [row for row in rows if row[2] != "forecast"]
    ahead = [row for row in rows if row[2] == "forecast"]
    start = places[past[0][1]] if past else places[ahead[0][1]]
    future = places[ahead[0][1]]

    def placed(points: Sequence[Sequence[Any]], column: int, first: int) -> list[float | None]:
        if not points:
            return []
        found: list[float | None] = [None] * (places[points[-1][1]] - first + 1)
        for row in points:
            found[places[row[1]] - first] = _short(row[column])
        return found

    predicted = placed(past, 4, start)
    return Curve(
        key,
        start,
        placed(past, 3, start),
        predicted if any(value is not None for value in predicted) else [],
        future,
        placed(ahead, 4, future),
        placed(ahead, 5, future),
        placed(ahead, 6, future),
        str(ahead[0][7]),
        str(ahead[0][8] or ""),
        float(sum(row[3] or 0 for row in past)),
    )


def _board(ask: Asks, board: Leaderboard) -> list[dict[str, Any]]:
    rows = ask.execute(
        sql(
            "SELECT * EXCLUDE (FOLD) FROM {name} WHERE FOLD IS NULL ORDER BY RMSE, MODEL",
            name=board.settings.writes,
        )
    )
    return [
        {
            name: value if value is None or isinstance(value, str) else float(value)
            for name, value in row.as_dict().items()
        }
        for row in rows
    ]


def _scores(ask: Asks, of: Sources, trained: TrainForecasters) -> list[Score]:
    """Return the errors of each series in the backtest, those with the largest first."""
    if trained.deployed(of.ctx).settings.backtest is None or of.used is None:
        return []
    key = trained.key(of.ctx)
    rows = ask.execute(
        sql(
            "SELECT {key}::VARCHAR AS SERIES, MODEL, AVG(ABS(ACTUAL - PREDICTION)) AS MAE, "
            "AVG(ABS(ACTUAL - PREDICTION) / NULLIF(SCALE, 0)) AS MASE {rows} AND MODEL IN {models} GROUP BY {key}, MODEL",
            key=key,
            rows=compared(of.ctx, trained),
            models=Literal([of.used, *BASELINES]),
        )
    )
    by_series: dict[str, dict[str, tuple[float, float | None]]] = {}
    for row in rows:
        scaled = None if row[3] is None else float(row[3])
        by_series.setdefault(str(row[0]), {})[str(row[1])] = (float(row[2]), scaled)
    found = []
    for series, models in by_series.items():
        if of.used not in models:
            continue
        mae, mase = models[of.used]
        baselines = {name: models[name][0] for name in BASELINES if name in models and name != of.used}
        best = min(baselines, key=lambda name: baselines[name], default="")
        found.append(Score(series, mae, mase, best, baselines.get(best)))
    return sorted(found, key=lambda one: (-(one.mase if one.mase is not None else -1.0), one.key))


def _without(
    ask: Asks, of: Sources, features: Features, known: set[QualifiedName | Any]
) -> tuple[list[Without], str]:
    """Return the series without a forecast, and what to do where nothing lists them."""
    key, table = features.settings.partition_by, features.settings.left_out
    listed = table is not None and table in known
    untrained = sql(
        "(SELECT {key}::VARCHAR, MAX(MESSAGE), NULL::NUMBER, NULL::TIMESTAMP_NTZ FROM {name} WHERE PART = 'untrained' "
        "GROUP BY {key} ORDER BY {key} LIMIT {most})",
        key=key,
        name=of.source.settings.writes,
        most=Literal(_MOST_LISTED),
    )
    left_out = sql(
        " UNION ALL (SELECT {key}::VARCHAR, REASON, HISTORY_DAYS, LAST_EVENT::TIMESTAMP_NTZ FROM {table} ORDER BY {key} "
        "LIMIT {most})",
        key=key,
        table=table or of.source.settings.writes,
        most=Literal(_MOST_LISTED),
    )
    rows = ask.execute(join("", [untrained, left_out]) if listed else untrained)
    plural = features.settings.every.plural
    found = []
    for row in rows:
        if row[2] is None:
            found.append(Without(str(row[0]), str(row[1] or ""), of.source.name))
        else:
            text = f"{row[1]}: {row[2]} {plural} of history, the last event on {_day(row[3])}"
            found.append(Without(str(row[0]), text, features.name))
    missing = f"set `left_out` in {features.name} to list the series that it excludes, with the reason"
    return found, missing if table is None else ""


def _importance(features: Features, means: Sequence[Any]) -> list[tuple[str, str, float]]:
    """Return the share of each feature in the feature attributions of the forecasts, the largest first."""
    words = feature_words(features)
    shares = [
        (column.name, words[column.name], float(mean))
        for column, mean in zip(features.feature_columns, means, strict=True)
        if mean is not None
    ]
    return sorted(shares, key=lambda one: (-one[2], one[0]))


def shares_query(table: QualifiedName, features: Sequence[Identifier], *others: Sql) -> Sql:
    """Return the query of the mean share of each feature in the attributions of a table's forecasts.

    Attributions are shares or contributions, depending on the model; as shares of a row they are comparable.

    Args:
        table: the table.
        features: the features.
        others: aggregates of the forecasts, which come before the shares.
    """
    names = [Identifier(f"_S{number}") for number in range(len(features))]
    sizes = [
        sql("ABS({column}) AS {name}", column=explanation_column(feature), name=name)
        for feature, name in zip(features, names, strict=True)
    ]
    whole = [sql("NULLIF({sum}, 0) AS _WHOLE", sum=join(" + ", names))] if names else []
    means = [sql("AVG({name} / _WHOLE)", name=name) for name in names]
    return sql(
        "SELECT {means} FROM (SELECT {sizes} FROM {name} WHERE PART = 'forecast')",
        means=join(", ", [*others, *means]),
        sizes=join(", ", [*([Sql("*")] if others else []), *sizes, *whole]),
        name=table,
    )


def _day(time: date | datetime) -> str:
    return str(time).removesuffix(" 00:00:00").removesuffix(":00")


def _short(value: Any) -> float | None:
    """Return a value with four digits, which is what a chart can show."""
    if value is None:
        return None
    number = float(f"{float(value):.4g}")
    return int(number) if number.is_integer() else number
