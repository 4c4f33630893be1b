"""``evaluate``: score predictions, overall or by group, and write the leaderboard of a model's candidates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal as Choice

from pydantic import Field

from snowpipe_ml.plugins import (
    ColumnName,
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
from snowpipe_ml.sql import Fragment, Identifier, Literal, Sql, join, sql
from snowpipe_ml.steps.data.publish import append_run, publish_table
from snowpipe_ml.steps.models.metrics import (
    CLASSIFICATION,
    REGRESSION,
    classification_query,
    regression_metrics,
)
from snowpipe_ml.steps.models.signature import read_manifest


@register("evaluate")
class Evaluate(Step["Evaluate.Settings"]):
    """Score predictions against actual values in each run, overall or by group."""

    class Settings(StepSettings):
        """Settings of ``evaluate``."""

        predictions: TableName
        actual: ColumnName
        prediction: ColumnName = Identifier("PREDICTION")
        problem_type: Choice["regression", "classification"] = "regression"
        by: tuple[ColumnName, ...] = Field((), description="Columns to group by")
        writes: TableName = Field(description="Output table, to which the rows of each run are appended once")
        model: StageLocation | None = Field(None, description="Folder of a model, for its leaderboard")
        leaderboard: TableName | None = Field(
            None, description="Output table: the candidate models and their scores"
        )

    dated = True
    settings: Evaluate.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.predictions, "predictions")
        if self.settings.model is not None:
            yield stage(self.settings.model, "model")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")
        if self.settings.leaderboard is not None:
            yield table(self.settings.leaderboard, "leaderboard")

    def _query(self, run: Fragment, date: Fragment) -> Sql:
        s = self.settings
        keys = join("", [sql("{name}, ", name=name) for name in s.by])
        if s.problem_type == "classification":
            on = join("", [sql(" AND EQUAL_NULL(R.{name}, L.{name})", name=name) for name in s.by])
            scored = classification_query(
                Sql(s.predictions.sql), actual=s.actual, prediction=s.prediction, keys=keys, on=on
            )
            return sql(
                "SELECT {run} AS RUN_ID, {date} AS RUN_DATE, * FROM (\n{scored}\n)",
                run=run,
                date=date,
                scored=scored,
            )
        # A row without a prediction is counted separately: in the variance of the actual values it would
        # raise R2.
        known = Identifier("SCORED_ACTUAL")
        return sql(
            "SELECT {run} AS RUN_ID, {date} AS RUN_DATE, {keys}COUNT({prediction}) AS ROW_COUNT, "
            "COUNT_IF({prediction} IS NULL) AS UNPREDICTED, {metrics}, STDDEV({known}::FLOAT) AS ACTUAL_STDDEV\n"
            "FROM (SELECT *, IFF({prediction} IS NULL, NULL, {actual}) AS {known} FROM {name} WHERE {actual} IS NOT NULL)\n"
            "GROUP BY ALL HAVING COUNT(*) > 0",
            run=run,
            date=date,
            keys=keys,
            name=s.predictions,
            actual=s.actual,
            prediction=s.prediction,
            known=known,
            metrics=regression_metrics(s.prediction, actual=known),
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        if (s.model is None) != (s.leaderboard is None):
            raise ValueError("give model and leaderboard together")
        query = self._query(Literal("RUN_ID"), Literal("RUN_DATE"))
        by = f" by {', '.join(map(str, s.by))}" if s.by else ""
        return StepPlan(
            f"evaluate {s.predictions}{by}", (sql("INSERT INTO {name} {query}", name=s.writes, query=query),)
        )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        rows = append_run(ctx, s.writes, self._query(Literal(ctx.run.id), Literal(ctx.run.date)))
        if s.model is not None and s.leaderboard is not None:
            self._write_leaderboard(ctx)
        if not rows:
            return StepResult(
                rows=0,
                message="nothing to evaluate",
                warnings=(f"{s.predictions} has no row with an actual value",),
            )
        names = CLASSIFICATION if s.problem_type == "classification" else REGRESSION
        shown = join(", ", [sql("AVG({name})", name=Identifier(name)) for name in names])
        values = ctx.execute(
            sql(
                "SELECT {shown} FROM {name} WHERE RUN_ID = {run}",
                shown=shown,
                name=s.writes,
                run=Literal(ctx.run.id),
            )
        )[0]
        metrics = {name.lower(): float(v) for name, v in zip(names, values, strict=True) if v is not None}
        first = names[0].lower()
        aside = self._unscored(ctx)
        mean = "mean " if rows > 1 else ""
        return StepResult(
            rows=rows,
            message="; ".join([f"{mean}{names[0]} {metrics.get(first, float('nan')):.4g}", *aside]),
            metrics=metrics,
            warnings=tuple(f"{s.predictions}: {text}" for text in aside),
        )

    def _unscored(self, ctx: RunContext) -> list[str]:
        """Return warnings about rows that were not scored."""
        s = self.settings
        row = ctx.execute(
            sql(
                "SELECT COUNT_IF({actual} IS NULL), COUNT_IF({actual} IS NOT NULL AND {prediction} IS NULL) FROM {name}",
                actual=s.actual,
                prediction=s.prediction,
                name=s.predictions,
            )
        )[0]
        missing = (f"without {s.actual}", "without a prediction")
        return [
            f"{int(count):,} rows {what} not scored"
            for what, count in zip(missing, row, strict=True)
            if count
        ]

    def _write_leaderboard(self, ctx: RunContext) -> None:
        s = self.settings
        assert s.model is not None
        assert s.leaderboard is not None
        manifest = read_manifest(ctx, s.model)
        rows = [
            sql(
                "({model}, {id}, {metric}, {score}, {fit}, {predict})",
                model=Literal(row["model"]),
                id=Literal(manifest.get("model_id")),
                metric=Literal(row["metric"]),
                score=Literal(row["score_validation"]),
                fit=Literal(row["fit_seconds"]),
                predict=Literal(row["predict_seconds"]),
            )
            for row in manifest["leaderboard"]
        ]
        values = join(", ", rows) if rows else Sql("(NULL, NULL, NULL, NULL, NULL, NULL)")
        query = sql(
            "SELECT $1::VARCHAR AS MODEL, $2::VARCHAR AS MODEL_ID, $3::VARCHAR AS METRIC, $4::FLOAT AS SCORE_VALIDATION, "
            "$5::FLOAT AS FIT_SECONDS, $6::FLOAT AS PREDICT_SECONDS FROM VALUES {values} WHERE $1 IS NOT NULL",
            values=values,
        )
        publish_table(ctx, s.leaderboard, query)
