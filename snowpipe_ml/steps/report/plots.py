"""``plot``: plot forecasts, errors, the leaderboard and feature importance, on a stage and in the report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, SupportsFloat
from typing import Literal as Choice

from pydantic import Field, field_validator

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
    Picture,
    PlanContext,
    Resource,
    RunContext,
    StageLocation,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    register,
    stage,
    table,
)
from snowpipe_ml.sql import Literal, Sql, sql
from snowpipe_ml.steps.declared.imports import put_all_statement, staged_files
from snowpipe_ml.steps.forecasting.forecast import ForecastFromSaved
from snowpipe_ml.steps.forecasting.leaderboard import BASELINES, Leaderboard, compared
from snowpipe_ml.steps.forecasting.models import name_of
from snowpipe_ml.steps.forecasting.train import TrainForecasters
from snowpipe_ml.steps.report.figures import (
    Rows,
    as_png,
    as_svg,
    draw_errors,
    draw_forecasts,
    draw_importance,
    draw_leaderboard,
)
from snowpipe_ml.steps.report.reading import shares_query

if TYPE_CHECKING:
    import altair as alt

Plot = Choice["forecasts", "errors", "leaderboard", "importance"]
EVERY: tuple[Plot, ...] = ("forecasts", "errors", "leaderboard", "importance")


@register("plot")
class PlotForecasts(Step["PlotForecasts.Settings"]):
    """Plot forecasts, as SVG and PNG files on a stage and in the report of the run.

    - `forecasts`: actual and predicted values, with the interval, of selected series;
    - `errors`: the distribution of the backtest errors of each model and of the baselines;
    - `leaderboard`: the RMSE of each model, overall and for each origin;
    - `importance`: the share of each feature in the feature attributions of the forecasts.

    The warehouse aggregates the data; only the plotted values are sent to the client.
    """

    example = """
plots:
  type: plot
  forecasts: forecasts
  leaderboard: leaderboard
  into: "@model_stage/plots/"
"""

    class Settings(StepSettings):
        """Settings of ``plot``."""

        forecasts: TableName = Field(description="Table written by a `train_forecasters` or `forecast` step")
        leaderboard: TableName | None = Field(None, description="Table written by a `leaderboard` step")
        plots: tuple[Plot, ...] = Field((), description="Plots to draw; by default all that the tables allow")
        series: tuple[str, ...] = Field(
            (), max_length=12, description="Series to plot in `forecasts`; by default the four largest"
        )
        days: int = Field(90, ge=2, le=400, description="Number of last days to plot for each series")
        into: StageLocation = Field(description="Folder for the files, which are named after the plots")
        formats: tuple[Choice["svg", "png"], ...] = Field(("svg", "png"), min_length=1)

        @field_validator("plots", "series", "formats")
        @classmethod
        def _once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
            if len({*values}) < len(values):
                raise ValueError("the list contains a duplicate")
            return values

    settings: PlotForecasts.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.forecasts, "forecasts")
        if self.settings.leaderboard is not None:
            yield table(self.settings.leaderboard, "leaderboard")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield stage(self.settings.into, "into")

    def _source(self, ctx: PlanContext) -> TrainForecasters | ForecastFromSaved:
        found = ctx.producer(table(self.settings.forecasts))
        if not isinstance(found, TrainForecasters | ForecastFromSaved):
            raise StepError(
                f"{self.settings.forecasts} must be written by a train_forecasters or a forecast step"
            )
        return found

    def _plots(self, ctx: PlanContext) -> tuple[Plot, ...]:
        """Return the plots to draw.

        Raises:
            StepError: the data of a requested plot is missing.
        """
        s, source = self.settings, self._source(ctx)
        lacks: dict[Plot, str] = {}
        if s.leaderboard is None:
            lacks["leaderboard"] = "`leaderboard`, the table of a leaderboard step"
        if not isinstance(source, TrainForecasters) or source.deployed(ctx).settings.backtest is None:
            lacks["errors"] = "forecasts of a train_forecasters step with a `backtest`"
        for plot in s.plots:
            if plot in lacks:
                raise StepError(f"the plot {plot} needs {lacks[plot]}")
        return s.plots or tuple(plot for plot in EVERY if plot not in lacks)

    def _trained(self, ctx: PlanContext) -> TrainForecasters | None:
        """Return the step that trained the models; None if it is in another spec."""
        source = self._source(ctx)
        return source if isinstance(source, TrainForecasters) else source.trained(ctx)

    def _check_leaderboard(self, ctx: PlanContext) -> None:
        s, trained = self.settings, self._trained(ctx)
        if s.leaderboard is None:
            return
        scored = ctx.producer_of(table(s.leaderboard), Leaderboard).settings.forecasts
        if trained is not None and scored != trained.settings.writes:
            raise StepError(
                f"{s.leaderboard} scores the models of {scored}, but those of {s.forecasts} belong to "
                f"{trained.settings.writes}"
            )

    def imports_here(self) -> Mapping[str, str]:
        return {"altair": "plots", "vl_convert": "plots"}

    def plan(self, ctx: PlanContext) -> StepPlan:
        s, plots = self.settings, self._plots(ctx)
        self._check_leaderboard(ctx)
        return StepPlan(
            f"plot {', '.join(plots)} as {' and '.join(s.formats)} into {s.into}",
            (put_all_statement(s.into),),
        )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        files: dict[str, bytes] = {}
        pictures, warnings = [], self._untrained(ctx)
        plots = self._plots(ctx)
        for plot in plots:
            chart = self._drawn(ctx, plot)
            if chart is None:
                warnings.append(f"there is nothing to draw for {plot}: {_EMPTY[plot]}")
                continue
            svg = as_svg(chart)
            if plot != "forecasts" or s.series:  # the report always includes the largest series
                pictures.append(Picture(plot, svg))
            if "svg" in s.formats:
                files[f"{plot}.svg"] = svg.encode()
            if "png" in s.formats:
                files[f"{plot}.png"] = as_png(chart)
        ctx.before_publishing()
        self._remove_old(ctx, {f"{plot}.{form}" for plot in plots for form in s.formats} - files.keys())
        ctx.put_contents(files, s.into)
        return StepResult(
            message=", ".join(files) or "nothing", warnings=tuple(warnings), pictures=tuple(pictures)
        )

    def _remove_old(self, ctx: RunContext, names: Collection[str]) -> None:
        """Remove plots of an earlier run that this run has no data for."""
        if not names:
            return
        there = staged_files(ctx, self.settings.into)
        for place in [self.settings.into.child(name) for name in sorted(names)]:
            if place.path in there:
                ctx.execute(sql("REMOVE {place}", place=place))

    def _untrained(self, ctx: RunContext) -> list[str]:
        """Return a warning for each requested series without a model, with the reason.

        Raises:
            StepError: a requested series is not in the table.
        """
        s, key = self.settings, self._source(ctx).forecasts(ctx).key
        if not s.series:
            return []
        rows = ctx.execute(
            sql(
                "SELECT {key}, MAX(IFF(PART = 'untrained', MESSAGE, NULL)) FROM {name} WHERE {key} IN {listed} GROUP BY {key}",
                key=key,
                name=s.forecasts,
                listed=Literal(list(s.series)),
            )
        )
        found = {str(name): message for name, message in rows}
        missing = [name for name in s.series if name not in found]
        if missing:
            raise StepError(f"{s.forecasts} has no series {', '.join(missing)}")
        return [
            f"{name} has no forecast to draw: {message}" for name, message in sorted(found.items()) if message
        ]

    def _drawn(self, ctx: RunContext, plot: Plot) -> alt.TopLevelMixin | None:
        if plot == "forecasts":
            rows = self._forecasts(ctx)
            return draw_forecasts(rows, self._source(ctx).forecasts(ctx)) if rows else None
        if plot == "importance":
            shares = self._shares(ctx)
            return draw_importance(shares) if shares else None
        rows = self._errors(ctx) if plot == "errors" else self._leaderboard(ctx)
        roles = {row["MODEL"]: self._role(ctx, row["MODEL"]) for row in rows}
        draw = draw_errors if plot == "errors" else draw_leaderboard
        return draw(rows, roles) if rows else None

    def _forecasts(self, ctx: RunContext) -> Rows:
        names = ("SERIES", "DATE", "ACTUAL", "PREDICTION", "LOW", "HIGH", "PART")
        found = self._source(ctx).forecasts(ctx).rows(ctx, self.settings.series, self.settings.days)
        return [{**dict(zip(names, row, strict=True)), "DATE": str(row[1])[:10]} for row in found]

    def _role(self, ctx: PlanContext, model: str) -> str:
        trained = self._trained(ctx)
        if trained is not None and name_of(trained.deployed(ctx).settings.model) == model:
            return "used"
        return "baseline" if model in BASELINES else "other"

    def _errors(self, ctx: RunContext) -> Rows:
        source = ctx.producer_of(table(self.settings.forecasts), TrainForecasters)
        error = "PREDICTION - ACTUAL"
        points = ", ".join(
            f"PERCENTILE_CONT({p / 100}) WITHIN GROUP (ORDER BY {error}) AS P{p}" for p in (5, 25, 50, 75, 95)
        )
        rows = ctx.execute(
            sql(
                "SELECT MODEL, {points} {rows} GROUP BY MODEL ORDER BY AVG(POWER(PREDICTION - ACTUAL, 2)), MODEL",
                points=Sql(points),
                rows=compared(ctx, source),
            )
        )
        return [_plain(row.as_dict()) for row in rows]

    def _leaderboard(self, ctx: RunContext) -> Rows:
        name = self.settings.leaderboard
        assert name is not None
        rows = ctx.execute(
            sql(
                "SELECT MODEL, FOLD, RMSE FROM {name} ORDER BY MIN(IFF(FOLD IS NULL, RMSE, NULL)) OVER (PARTITION BY MODEL), "
                "MODEL, FOLD",
                name=name,
            )
        )
        return [_plain(row.as_dict()) for row in rows]

    def _shares(self, ctx: RunContext) -> Rows:
        """Return the share of each feature."""
        features = self._source(ctx).features(ctx).feature_columns
        if not features:
            return []
        (row,) = ctx.execute(shares_query(self.settings.forecasts, features))
        return [
            {"FEATURE": name.name, "SHARE": float(share)}
            for name, share in zip(features, row, strict=True)
            if share is not None
        ]


_EMPTY: Mapping[Plot, str] = {
    "forecasts": "no series has a forecast",
    "errors": "nothing was backtested",
    "leaderboard": "the table is empty",
    "importance": "the models have no feature attributions; baselines and statsforecast's models have none",
}


def _plain(row: Mapping[str, str | SupportsFloat | None]) -> dict[str, str | float | None]:
    """Convert numbers to float, for JSON; Snowflake's connector returns decimals."""
    return {
        name: value if value is None or isinstance(value, str) else float(value)
        for name, value in row.items()
    }
