"""Try a model on a few series: its backtest and its forecasts, computed here, with no table written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import StatementError, UsageError
from snowpipe_ml.models.training import Training
from snowpipe_ml.plugins.connection import Asked, Asks
from snowpipe_ml.sql import Literal, Sql, join, sql
from snowpipe_ml.steps.forecasting.deploy import DeployForecaster
from snowpipe_ml.steps.forecasting.features import Features
from snowpipe_ml.steps.forecasting.future_features import FutureFeatures
from snowpipe_ml.text.problems import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_MOST = 20


@dataclass(frozen=True)
class Trial:
    """The result of trying a model.

    Attributes:
        rows: the rows that the table function of a forecaster would return: see :mod:`snowpipe_ml.models.udtf`.
        model: the name of the model.
        value: the forecast value in words, such as ``COUNT per day``.
        noun: a period in words, such as ``day``.
    """

    rows: pd.DataFrame
    model: str
    value: str
    noun: str

    def errors(self) -> pd.DataFrame:
        """Return MAE and RMSE of whole horizons in the backtest, by series and model, the best model first."""
        tested = self.rows[self.rows["PART"] == "backtest"]
        error = (tested["PREDICTION"] - tested["ACTUAL"]).astype(float)
        found = tested.assign(MAE=error.abs(), SQUARED=error**2).groupby(["SERIES", "MODEL"], as_index=False)
        scores = found[["MAE", "SQUARED"]].mean()
        scores["RMSE"] = scores.pop("SQUARED") ** 0.5
        return scores.sort_values(["SERIES", "MAE"], ignore_index=True)

    def scores(self) -> list[tuple[str, str, float, float]]:
        """Return the rows of :meth:`errors`: series, model, MAE and RMSE."""
        found = self.errors()
        return list(
            zip(
                found["SERIES"].astype(str).tolist(),
                found["MODEL"].astype(str).tolist(),
                found["MAE"].tolist(),
                found["RMSE"].tolist(),
                strict=True,
            )
        )

    def untrained(self) -> dict[str, str]:
        """Return the series without a model, or with a simple forecast instead, and the reason."""
        rows = self.rows
        chosen = rows[
            (rows["PART"] == "untrained") | ((rows["PART"] == "forecast") & (rows["MODEL"] == "simple"))
        ]
        return {
            str(key): str(reason) for key, reason in zip(chosen["SERIES"], chosen["MESSAGE"], strict=True)
        }


def try_model(
    pipeline: Pipeline,
    series: Sequence[str],
    model: str | Mapping[str, object] = "auto_ets",
    *,
    target: str | None = None,
) -> Trial:
    """Train and backtest a model on a few series of the `features` table of a pipeline. No table is written.

    The rows of these series are fetched, and the model is trained in this process.

    Args:
        pipeline: the pipeline, whose `features` and `future_features` steps have run.
        series: the keys of the series, at most 20.
        model: the type of the model, or its settings as in `deploy_forecaster`.
        target: the target's name; the default target if None.

    Raises:
        SpecError: the spec is invalid.
        UsageError: the spec has no such steps, or a series or model does not exist.
        StatementError: the tables cannot be read.
    """
    from pydantic import ValidationError
    from snowflake.connector.errors import Error

    if not 1 <= len(series) <= _MOST:
        raise UsageError(f"give 1 to {_MOST} series, and not {len(series)}")
    _, graph, _ = pipeline.load(target)
    steps = [node.step for node in graph.nodes.values()]
    future = next((step for step in steps if isinstance(step, FutureFeatures)), None)
    features = next(
        (
            s
            for s in steps
            if isinstance(s, Features)
            and future is not None
            and s.settings.writes == future.settings.features
        ),
        None,
    )
    if future is None or features is None:
        raise UsageError(
            "the spec needs the steps `features` and `future_features`: `explore --format yaml` suggests them"
        )
    known = next(
        (
            s
            for s in steps
            if isinstance(s, DeployForecaster) and s.settings.features == features.settings.writes
        ),
        None,
    )
    forecast = known.settings.target if known is not None else None
    if forecast is None and features.settings.targets:
        forecast = features.settings.all_targets[0].name
    settings = {"type": model} if isinstance(model, str) else dict(model)
    base = (
        known.settings.model_dump(by_alias=True, include={"backtest", "interval", "quantiles"})
        if known
        else {}
    )
    try:
        deploy = DeployForecaster(
            "try",
            DeployForecaster.Settings.model_validate(
                {
                    "type": "deploy_forecaster",
                    "function": "tried",
                    "stage": "tried",
                    "packages": "tried",
                    "features": features.settings.writes.sql,
                    "model": settings,
                    **base,
                    "backtest": base.get("backtest") or {"origins": 2, "horizon": future.settings.horizon},
                }
            ),
        )
    except ValidationError as error:
        raise UsageError(f"--model: {error.errors()[0]['msg']}") from error
    try:
        with closing(pipeline.connect(target)) as connection:
            ask = Asked(connection)
            written = features.as_written(ask).of_target(forecast)
            frame = _frame(ask, written, future, series)
    except Error as error:
        raise StatementError(f"{error}: run the steps {features.name} and {future.name} first") from error
    rows = Training(deploy.config_of(written)).run(frame)
    s = written.settings
    return Trial(
        rows,
        str(settings.get("name") or settings["type"]),
        f"{s.target.name} per {s.every.noun}",
        s.every.noun,
    )


def _frame(ask: Asks, features: Features, future: FutureFeatures, series: Sequence[str]) -> pd.DataFrame:
    """Fetch the history and the future periods of some series, as the table function gets them.

    Raises:
        UsageError: a series is not in the table.
    """
    import pandas as pd

    s = features.settings
    names = ["KEY", "DATE", "TARGET", *(column.name for column in features.feature_columns)]
    chosen = sql("{key}::VARCHAR IN {keys}", key=s.partition_by, keys=Literal(list(series)))
    columns = join("", [sql(", {column}::FLOAT", column=column) for column in features.feature_columns])
    rows: list[list[Any]] = []
    for table, value, targeted in (
        (
            s.writes,
            sql("{target}::FLOAT", target=s.target),
            sql(" AND {target} IS NOT NULL", target=s.target),
        ),
        (future.settings.writes, Sql("NULL::FLOAT"), Sql("")),
    ):
        found = ask.execute(
            sql(
                "SELECT {key}::VARCHAR, DATE, {value}{columns} FROM {table} WHERE {chosen}{targeted} ORDER BY 1, 2",
                key=s.partition_by,
                value=value,
                columns=columns,
                table=table,
                chosen=chosen,
                targeted=targeted,
            )
        )
        rows += [[row[place] for place in range(len(names))] for row in found]
    missing = sorted(set(series) - {str(row[0]) for row in rows})
    if missing:
        known = ask.execute(
            sql(
                "SELECT DISTINCT {key}::VARCHAR FROM {table} ORDER BY 1 LIMIT 1000",
                key=s.partition_by,
                table=s.writes,
            )
        )
        hint = did_you_mean(missing[0], [str(row[0]) for row in known])
        raise UsageError(f"{s.writes} has no series {', '.join(missing)}" + (f"; {hint}" if hint else ""))
    return pd.DataFrame(rows, columns=pd.Index(names))
