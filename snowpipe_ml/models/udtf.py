"""The handler of the table function that a ``deploy_forecaster`` step creates.

It gets a series as one DataFrame: a row a day, with target and features; the days to forecast have
no target. Its settings are in ``forecaster.json`` beside the code.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from snowpipe_ml.models.base import Forecaster
from snowpipe_ml.models.wheels import import_directory


def make_forecaster(config: dict[str, Any]) -> Forecaster:
    """The forecaster that the settings ask for."""
    model = config["model"]
    if model["type"] == "tabnet":
        from snowpipe_ml.models.tabnet import TabNetForecaster

        return TabNetForecaster(model)
    from snowpipe_ml.models.naive import SeasonalNaiveForecaster

    return SeasonalNaiveForecaster(model, config["lags"])


class Series:
    """One series, split into the days to learn from, to validate on, and to forecast.

    Args:
        frame: columns DATE, target, features, in the function's order of arguments.
        config: the settings.
    """

    def __init__(self, frame: pd.DataFrame, config: dict[str, Any]) -> None:
        frame = frame.copy()
        frame.columns = ["DATE", "TARGET", *config["features"]]
        frame["DATE"] = pd.to_datetime(frame["DATE"])
        frame = frame.sort_values("DATE", kind="stable")
        values = frame[["TARGET", *config["features"]]].astype(float)
        known = values["TARGET"].notna()
        usable = known & values[config["features"]].notna().all(axis=1)
        self.future = frame.loc[~known, "DATE"].to_numpy()
        self.future_x = values.loc[~known, config["features"]].to_numpy()
        self.days = frame.loc[usable, "DATE"].to_numpy()
        self.x = values.loc[usable, config["features"]].to_numpy()
        self.y = values.loc[usable, "TARGET"].to_numpy()
        self.unusable = int((known & ~usable).sum())
        # What lags are looked up in: every known day, whether its own features are known or not.
        self.known = dict(zip(frame.loc[known, "DATE"].to_numpy(), values.loc[known, "TARGET"].to_numpy(), strict=True))
        self.split = len(self.y) - max(1, round(len(self.y) * config["model"]["validation_fraction"]))


class Forecast:
    """The handler: one instance a partition."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = json.loads((import_directory() / "forecaster.json").read_text())

    def end_partition(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Train on a series and return its rows: train, validation and forecast, or why there are none."""
        series = Series(frame, self.config)
        needed = self.config["model"]["min_train_rows"]
        if series.split < needed:
            return self._untrained(
                f"{max(series.split, 0)} days to train on, and {needed} are needed "
                f"({len(series.y)} days have target and features, {series.unusable} lack a feature)"
            )
        model = make_forecaster(self.config)
        split = series.split
        model.fit(series.x[:split], series.y[:split])
        parts = np.where(np.arange(len(series.y)) < split, "train", "validation")
        history = self._rows(series.days, parts, series.y, self._bounded(model.predict(series.x)), series.x, model)
        if not len(series.future):
            return history
        x, predicted = self._recursive(model, series)
        future = self._rows(series.future, np.full(len(x), "forecast"), np.full(len(x), np.nan), predicted, x, model)
        return pd.concat([history, future], ignore_index=True)

    def _bounded(self, predicted: np.ndarray) -> np.ndarray:
        lower = self.config["model"]["lower_bound"]
        return predicted if lower is None else np.maximum(predicted, lower)

    def _recursive(self, model: Forecaster, series: Series) -> tuple[np.ndarray, np.ndarray]:
        """Forecast day after day; a lag that falls on a forecast day is that forecast."""
        lags = self.config["lags"]
        known = dict(series.known)
        fallback = series.x[: series.split].mean(axis=0)
        x = np.where(np.isnan(series.future_x), fallback, series.future_x)
        predicted = np.zeros(len(x))
        for row, day in enumerate(series.future):
            for column, lag in enumerate(lags):
                # A lag that falls on an unknown day is the mean of that lag in training.
                x[row, column] = known.get(day - np.timedelta64(lag, "D"), fallback[column])
            predicted[row] = self._bounded(model.predict(x[row : row + 1]))[0]
            known[day] = predicted[row]
        return x, predicted

    def _rows(
        self, days: Any, parts: Any, actual: Any, predicted: Any, x: np.ndarray, model: Forecaster
    ) -> pd.DataFrame:
        names = self.config["features"]
        explained = model.explain(x)
        columns: dict[str, Any] = {"DATE": days, "PART": parts, "ACTUAL": actual, "PREDICTION": predicted}
        columns |= {name: x[:, i] for i, name in enumerate(names)}
        columns |= {f"{name}_EXPLANATION": explained[:, i] for i, name in enumerate(names)}
        rows = pd.DataFrame(columns)
        rows["MESSAGE"] = None
        return rows

    def _untrained(self, message: str) -> pd.DataFrame:
        names = self.config["features"]
        columns = [
            "DATE",
            "PART",
            "ACTUAL",
            "PREDICTION",
            *names,
            *(f"{name}_EXPLANATION" for name in names),
            "MESSAGE",
        ]
        row = pd.DataFrame([[None] * len(columns)], columns=columns)
        row["PART"] = "untrained"
        row["MESSAGE"] = message
        return row.astype(dict.fromkeys(["ACTUAL", "PREDICTION", *columns[4:-1]], float))


# What Snowflake's `vectorized` decorator sets: the method takes a partition as a DataFrame.
Forecast.end_partition._sf_vectorized_input = pd.DataFrame  # type: ignore[attr-defined]
