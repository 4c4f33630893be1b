"""``leaderboard``: score each model in the backtest, overall and for each series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import Field

from snowpipe_ml.models.quantiles import quantile_column
from snowpipe_ml.plugins import (
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    register,
    table,
)
from snowpipe_ml.sql import Literal, QualifiedName, Sql, sql
from snowpipe_ml.steps.data.publish import publish_tables
from snowpipe_ml.steps.forecasting.deploy import DeployForecaster
from snowpipe_ml.steps.forecasting.models import name_of
from snowpipe_ml.steps.forecasting.train import TrainForecasters

# The models that any other model must beat to be useful.
BASELINES = ("seasonal_naive", "moving_average")

_ERROR = "(ACTUAL - PREDICTION)"
_PINBALL = "GREATEST({p} * (ACTUAL - {end}), ({p} - 1) * (ACTUAL - {end}))"


def _metrics(interval: float, quantiles: Sequence[float]) -> Sql:
    """Return the columns of a leaderboard, each over the rows of a group.

    MASE and its squared form RMSSE follow Hyndman and Koehler,
    https://doi.org/10.1016/j.ijforecast.2006.03.001, and are scaled by the differences between periods a season
    apart. TOTAL_BIAS is the error of the totals in percent. PINBALL is the mean of the losses at both ends of
    the interval, COVERAGE the fraction of days inside the interval, WQL the weighted quantile loss of the
    quantiles that were asked for, or of the interval and the prediction, and BELOW_Q10 the fraction of days up
    to that quantile; these are over the days on which all models have an interval. WEIGHT is the mean weight of
    a member of an ensemble, SECONDS what training and forecasting took for a series from one origin, and MESSAGE
    what an ensemble skipped for its time budget.
    """
    tail = (1 - interval) / 2
    low, high = (_PINBALL.format(p=p, end=end) for p, end in ((tail, "LOW"), (1 - tail, "HIGH")))
    levels = [(p, quantile_column(p)) for p in quantiles]
    levels = levels or [(tail, "LOW"), (0.5, "PREDICTION"), (1 - tail, "HIGH")]
    columns = {
        "RMSE": f"SQRT(AVG(POWER({_ERROR}, 2)))",
        "MAE": f"AVG(ABS({_ERROR}))",
        "SMAPE": f"200 * AVG(IFF(ABS(ACTUAL) + ABS(PREDICTION) = 0, 0::FLOAT, ABS({_ERROR}) / "
        "NULLIF(ABS(ACTUAL) + ABS(PREDICTION), 0)))",
        "MASE": f"AVG(ABS({_ERROR}) / NULLIF(SCALE, 0))",
        "RMSSE": f"SQRT(AVG(POWER({_ERROR}, 2) / NULLIF(SQUARED_SCALE, 0)))",
        "BIAS": "AVG(PREDICTION - ACTUAL)",
        "TOTAL_BIAS": "100 * SUM(PREDICTION - ACTUAL) / NULLIF(SUM(ABS(ACTUAL)), 0)",
        "PINBALL": f'AVG(IFF("_INTERVALS", ({low} + {high}) / 2, NULL))',
        "COVERAGE": 'AVG(IFF("_INTERVALS", IFF(ACTUAL BETWEEN LOW AND HIGH, 1, 0), NULL)::FLOAT)',
        "WQL": _weighted_quantile_loss(levels),
        **{
            f"BELOW_{end}": f'AVG(IFF("_INTERVALS", IFF(ACTUAL <= {end}, 1, 0), NULL)::FLOAT)'
            for _, end in levels
            if end not in ("LOW", "PREDICTION", "HIGH")
        },
        "WEIGHT": "AVG(WEIGHT)",
        "SECONDS": "AVG(SECONDS)",
        "MESSAGE": "MAX(MESSAGE)",
    }
    return Sql(", ".join(f"{text} AS {name}" for name, text in columns.items()))


def _weighted_quantile_loss(levels: Sequence[tuple[float, str]]) -> str:
    """Return the mean over quantiles of twice their pinball losses, relative to the actual values."""
    losses = " + ".join(_PINBALL.format(p=p, end=end) for p, end in levels)
    return (
        f'2 * SUM(IFF("_INTERVALS", {losses}, NULL)) / {len(levels)} / '
        'NULLIF(SUM(IFF("_INTERVALS", ABS(ACTUAL), NULL)), 0)'
    )


def compared(ctx: PlanContext, trained: TrainForecasters) -> Sql:
    """Return ``FROM ...`` for the rows of the backtest on which models are compared.

    These are the series and origins that all models forecast, from the second origin on, where all models
    know earlier errors. "_INTERVALS" tells whether all of them have an interval.
    """
    deployed: DeployForecaster = trained.deployed(ctx)
    backtest = deployed.settings.backtest
    first = 1 if backtest is not None and backtest.origins > 1 else 0
    folds = sql(
        "FROM {name} WHERE PART = 'backtest' AND FOLD >= {first}",
        name=trained.settings.writes,
        first=Literal(first),
    )
    return sql(
        'FROM (SELECT *, COUNT(DISTINCT MODEL) OVER (PARTITION BY {key}, FOLD) AS "_MODELS", '
        'COUNT_IF(LOW IS NULL) OVER (PARTITION BY {key}, FOLD) = 0 AS "_INTERVALS" {folds}) '
        'WHERE "_MODELS" = (SELECT COUNT(DISTINCT MODEL) {folds})',
        key=trained.key(ctx),
        folds=folds,
    )


_BETTER = f"the best baseline ({', '.join(BASELINES)})"


@register("leaderboard")
class Leaderboard(Step["Leaderboard.Settings"]):
    """Score every model of the backtest, from the second origin on, where all models know earlier errors.

    ``writes`` has a row per model and origin, and a row per model over these origins with FOLD NULL;
    ``by_series`` has a row per series and model. The step warns if no model beats the baselines, which are
    seasonal-naive and a moving average.
    """

    class Settings(StepSettings):
        """Settings of ``leaderboard``."""

        forecasts: TableName = Field(description="Table written by a `train_forecasters` step")
        writes: TableName = Field(description="Output table: MODEL, FOLD and the metrics")
        by_series: TableName | None = Field(None, description="Output table: series, MODEL and the metrics")

    settings: Leaderboard.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.forecasts, "forecasts")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")
        if self.settings.by_series is not None:
            yield table(self.settings.by_series, "by_series")

    def trained(self, ctx: PlanContext) -> TrainForecasters:
        """Return the step whose forecasts are scored."""
        return ctx.producer_of(table(self.settings.forecasts), TrainForecasters)

    def _queries(self, ctx: PlanContext) -> list[tuple[QualifiedName, Sql]]:
        s, trained = self.settings, self.trained(ctx)
        deployed = trained.deployed(ctx).settings
        metrics, key = _metrics(deployed.interval, deployed.quantiles), trained.key(ctx)
        rows = compared(ctx, trained)
        counts = sql("COUNT(DISTINCT {key}) AS SERIES, COUNT(*) AS DAYS", key=key)
        found = [
            (
                s.writes,
                sql(
                    "SELECT MODEL, NULL::NUMBER AS FOLD, {counts}, {metrics} {rows} GROUP BY MODEL\nUNION ALL\n"
                    "SELECT MODEL, FOLD::NUMBER AS FOLD, {counts}, {metrics} {rows} GROUP BY MODEL, FOLD",
                    metrics=metrics,
                    counts=counts,
                    rows=rows,
                ),
            )
        ]
        if s.by_series is not None:
            query = sql(
                "SELECT {key}, MODEL, COUNT(*) AS DAYS, {metrics} {rows} GROUP BY {key}, MODEL",
                key=key,
                metrics=metrics,
                rows=rows,
            )
            found.append((s.by_series, query))
        return found

    def plan(self, ctx: PlanContext) -> StepPlan:
        statements = tuple(
            sql("CREATE OR REPLACE TABLE {name} AS {query}", name=name, query=query)
            for name, query in self._queries(ctx)
        )
        return StepPlan(f"score the models of {self.settings.forecasts} on the backtest", statements)

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        rows, *_ = publish_tables(ctx, self._queries(ctx))
        board = ctx.execute(
            sql(
                "SELECT MODEL, RMSE, COVERAGE, SERIES FROM {name} WHERE FOLD IS NULL ORDER BY RMSE, MODEL",
                name=s.writes,
            )
        )
        if not board:
            return StepResult(
                rows=0,
                message="nothing was backtested",
                warnings=("no series is long enough for a backtest, or the forecaster has no `backtest`",),
            )
        baselines = [row for row in board if row["MODEL"] in BASELINES]
        best, warnings = board[0], []
        said = ", ".join(f"{row['MODEL']} {row['RMSE']:.4g}" for row in board[:4])
        if baselines and best["MODEL"] in BASELINES:
            warnings.append(
                f"{self._horizon(ctx)} no model beats {best['MODEL']}: a trained model has no benefit here"
            )
        warnings += self._series_that_lose(ctx)
        metrics = {f"rmse {row['MODEL']}": float(row["RMSE"]) for row in board}
        metrics |= {
            f"coverage {r['MODEL']}": float(r["COVERAGE"]) for r in board if r["COVERAGE"] is not None
        }
        return StepResult(
            rows=rows, message=f"RMSE of whole horizons: {said}", warnings=tuple(warnings), metrics=metrics
        )

    def _series_that_lose(self, ctx: RunContext) -> list[str]:
        """Return a warning with the number of series where a baseline beats the selected model."""
        used = name_of(self.trained(ctx).deployed(ctx).settings.model)
        if self.settings.by_series is None or used in BASELINES:
            return []
        listed = Literal(list(BASELINES))
        row = ctx.execute(
            sql(
                "SELECT COUNT(*), COUNT_IF(M.RMSE > B.RMSE) FROM {name} M JOIN (SELECT {key}, MIN(RMSE) AS RMSE FROM {name} "
                "WHERE MODEL IN {listed} GROUP BY {key}) B ON B.{key} = M.{key} WHERE M.MODEL = {used}",
                name=self.settings.by_series,
                key=self.trained(ctx).key(ctx),
                listed=listed,
                used=Literal(used),
            )
        )[0]
        count, worse = int(row[0]), int(row[1])
        return (
            [f"{self._horizon(ctx)} {used} is worse than {_BETTER} for {worse} of {count} series"]
            if worse
            else []
        )

    def _plural(self, ctx: RunContext) -> str:
        return self.trained(ctx).features(ctx).settings.every.plural

    def _horizon(self, ctx: RunContext) -> str:
        backtest = self.trained(ctx).deployed(ctx).settings.backtest
        return (
            f"over horizons of {backtest.horizon} {self._plural(ctx)}"
            if backtest is not None
            else "over whole horizons"
        )


__all__ = ["BASELINES", "Leaderboard", "compared"]
