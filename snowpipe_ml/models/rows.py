"""The result rows of the forecasters' table functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from snowpipe_ml.models.base import Explanation, Forecast, Forecaster
from snowpipe_ml.models.conformal import Calibration
from snowpipe_ml.models.panel import Series
from snowpipe_ml.models.quantiles import quantile_column
from snowpipe_ml.models.simple import NAME as SIMPLE
from snowpipe_ml.models.spread import Spread

FIXED = (
    "SERIES",
    "DATE",
    "PART",
    "MODEL",
    "ORIGIN",
    "ACTUAL",
    "PREDICTION",
    "LOW",
    "HIGH",
    "BASE",
    "FOLD",
    "SCALE",
    "SQUARED_SCALE",
    "GAIN",
    "WEIGHT",
    "SECONDS",
)
_TEXTS = ("SERIES", "PART", "MODEL", "MESSAGE")
# A BINARY value has at most 8 MB: https://docs.snowflake.com/en/sql-reference/data-types-text#binary
_PIECE = 4 * 2**20


def low_counts(levels: Sequence[np.ndarray], probabilities: Sequence[float]) -> list[np.ndarray]:
    """Return quantiles of counts with those below the median that are less than one half as 0.

    No count is between 0 and 1. An interval from 0.05 to 2 of a demand that is mostly 0 would miss most of it.

    Args:
        levels: the quantiles, (periods,) each.
        probabilities: the probability of each.
    """
    return [
        np.where(each < 0.5, np.minimum(each, 0.0), each) if p < 0.5 else each
        for each, p in zip(levels, probabilities, strict=True)
    ]


class Rows:
    """Collects the result rows.

    Args:
        names: the names of the features.
        artifacts: whether to add a column for the pieces of saved models.
        quantiles: the probabilities that have a column each.
    """

    def __init__(
        self, names: Sequence[str], *, artifacts: bool = False, quantiles: Sequence[float] = ()
    ) -> None:
        self._names = list(names)
        self._quantiles = [quantile_column(each) for each in quantiles]
        self._artifacts = artifacts
        self._rows: list[pd.DataFrame] = []

    def add(self, key: str, **columns: object) -> None:
        """Add rows of a series; columns that are None stay empty."""
        given = {name: value for name, value in columns.items() if value is not None}
        self._rows.append(pd.DataFrame({"SERIES": key, **given}))

    def forecast(
        self,
        model: Forecaster,
        series: Series,
        forecast: Forecast,
        calibration: Calibration,
        label: str,
        gain: float | None,
        explanation: Explanation | None,
        message: str | None = None,
    ) -> None:
        """Add the forecast of a series."""
        spread = Spread.of(series, calibration.horizon) if calibration.calibrated else None
        # A simple forecast is of a series that the model was not fitted on.
        stated = None if label == SIMPLE else model.stated(series, forecast.y)
        asked = (series.key, forecast.y, series.level, series.steps, spread, stated)
        low, high = calibration.interval(*asked)
        levels = list(calibration.quantiles(*asked))
        if not calibration.calibrated and label != SIMPLE:
            low, high = model.own_interval(series, calibration.coverage) or (low, high)
        if series.counts:
            low, *levels = low_counts([low, *levels], (0.0, *calibration.probabilities))
        self.add(
            series.key,
            DATE=series.future_days,
            PART="forecast",
            MODEL=label,
            ORIGIN=np.full(len(forecast.y), series.last),
            PREDICTION=forecast.y,
            GAIN=gain,
            MESSAGE=message,
            LOW=model.bounded(series, low),
            HIGH=model.bounded(series, high),
            **self.quantiles([model.bounded(series, each) for each in levels]),
            **self.explained(forecast.x, explanation),
        )

    def quantiles(self, values: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The columns of the quantiles, as far as they are asked for."""
        return dict(zip(self._quantiles, values, strict=False))

    def explained(self, x: np.ndarray, explanation: Explanation | None) -> dict[str, np.ndarray]:
        """The columns of the features and of their attributions."""
        columns: dict[str, np.ndarray] = {name: x[:, i] for i, name in enumerate(self._names)}
        if explanation is not None:
            columns |= {
                f"{name}_EXPLANATION": explanation.contributions[:, i] for i, name in enumerate(self._names)
            }
            if explanation.base is not None:
                columns["BASE"] = explanation.base
        return columns

    def artifact(self, key: str, data: bytes) -> None:
        """Add a saved model's file in pieces; ``key`` is one of its series."""
        pieces = [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)]
        self.add(key, PART="model", FOLD=np.arange(len(pieces)), ARTIFACT=pieces)

    def table(self) -> pd.DataFrame:
        """Return all rows, with all columns in order and typed."""
        columns = [
            *FIXED,
            *self._quantiles,
            *self._names,
            *(f"{name}_EXPLANATION" for name in self._names),
            "MESSAGE",
        ]
        columns += ["ARTIFACT"] if self._artifacts else []
        numbers = [name for name in columns if name not in (*_TEXTS, "DATE", "ORIGIN", "ARTIFACT")]
        table = pd.concat(self._rows, ignore_index=True).reindex(columns=columns)
        # Nullable floats, so that a missing value is NULL in the table and never NaN.
        table = table.astype(dict.fromkeys(numbers, "Float64"))
        for name in ("DATE", "ORIGIN"):
            table[name] = pd.to_datetime(table[name])
        for name in (*_TEXTS, *(["ARTIFACT"] if self._artifacts else [])):
            table[name] = table[name].astype(object).where(table[name].notna(), None)
        return table
