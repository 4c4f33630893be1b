"""The handler of the table function that a ``deploy_forecaster`` step creates.

The handler receives the series of a partition as one DataFrame with a row per series and day, holding the
target and the features; the target of the days to forecast is NULL. Its settings are in ``forecaster.json``
beside the code. It returns a row per series and day:

``PART``      ``train`` or ``validation`` (the last part of the history, predicted by a model that was not
              trained on it), ``backtest`` (a candidate's forecast from an earlier origin), ``forecast``,
              ``model`` (see ``ARTIFACT``), or ``untrained`` with the reason in ``MESSAGE``;
              ``MESSAGE`` of an ensemble's forecast has the members' weights; a forecast by the model ``simple`` is of
              a series that could not be trained, and ``MESSAGE`` says why and what it is
``MODEL``     the model or the member of an ensemble; for a forecast of an ensemble that picks a few members
              (``average``), their names
``GAIN``      for a forecast of an ensemble, the relative improvement in error of the best member over the
              second best in the backtest
``WEIGHT``    for a backtest, the weight of a member of an ensemble at that origin
``SECONDS``   for a backtest, the seconds that training and forecasting took for the series from that origin
``ORIGIN``    for a forecast, the last known day
``LOW``, ``HIGH``  the prediction interval, calibrated on the backtest; NULL beyond the backtest's horizon
``Q10``...    the quantiles that were asked for, calibrated like the interval
``FOLD``      for a backtest, the number of the origin, counted from 0, the oldest
``SCALE``, ``SQUARED_SCALE``  for a backtest, the mean absolute and mean squared difference of days a week
              apart up to the origin: the denominators of MASE and RMSSE
``ARTIFACT``  in rows with ``PART`` = ``model``, which exist where models are saved: a piece of the file that
              :mod:`saved` writes; ``FOLD`` is the number of the piece
``BASE``      the value that, added to the contributions, gives the prediction; NULL where the attributions
              are shares that sum to 1
"""

from __future__ import annotations

import json

import pandas as pd

from snowpipe_ml.models.base import Forecaster, Settings
from snowpipe_ml.models.clock import Clock
from snowpipe_ml.models.conformal import Calibration
from snowpipe_ml.models.panel import features_of, read_panel
from snowpipe_ml.models.rows import Rows
from snowpipe_ml.models.saved import Manifest, load
from snowpipe_ml.models.training import Training, add_simple, not_finite, told_weights
from snowpipe_ml.models.wheels import add_wheels, import_directory


class ForecastPartition:
    """The handler of a ``deploy_forecaster`` step's function; one instance per partition."""

    def __init__(self) -> None:
        add_wheels()
        self.config: Settings = json.loads((import_directory() / "forecaster.json").read_text())

    def end_partition(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Train on the series of a partition and return their rows."""
        return Training(self.config).run(frame)


class ForecastSaved:
    """The handler of a ``forecast`` step: forecast with saved models, without training."""

    def __init__(self) -> None:
        add_wheels()
        self.config: Settings = json.loads((import_directory() / "forecaster.json").read_text())
        self.features = features_of(self.config["features"])
        self._models: dict[str, tuple[Forecaster, Manifest]] = {}
        for file in sorted(import_directory().glob("models-*.npz")):
            model, manifest = load(file.read_bytes())
            self._models |= dict.fromkeys(manifest["labels"], (model, manifest))

    def end_partition(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Forecast the future days of the series of a partition and return their rows."""
        panel, refused = read_panel(frame, self.features, Clock.of(self.config))
        rows = Rows([feature.name for feature in self.features], quantiles=self.config.get("quantiles", ()))
        other = next(iter(self._models.values()), None)
        for series in panel:
            if series.key not in self._models and other is not None and len(series.future_days):
                shared = Calibration.from_json(other[1]["calibration"])
                add_simple(rows, other[0], series, shared, "it has no saved model")
                continue
            if series.key not in self._models:
                refused[series.key] = "it has no saved model"
                continue
            if not len(series.future_days):
                refused[series.key] = "it has no future days to forecast"
                continue
            model, manifest = self._models[series.key]
            if model.features != self.features:
                raise ValueError("the saved models were trained on other features: train them again")
            (forecast,) = model.forecast([series])
            explained = model.explain([series], [forecast])
            calibration = Calibration.from_json(manifest["calibration"])
            label, gain = manifest["labels"][series.key], manifest["gains"][series.key]
            reason = not_finite(forecast.y)
            if reason:
                refused[series.key] = reason
                continue
            rows.forecast(
                model,
                series,
                forecast,
                calibration,
                label,
                gain,
                explained[0] if explained else None,
                told_weights(model, series.key),
            )
        for key, reason in sorted(refused.items()):
            rows.add(key, PART=["untrained"], MESSAGE=[reason])
        return rows.table()


# Set the attribute that Snowflake's `vectorized` decorator sets: the method takes a partition as a DataFrame.
ForecastPartition.end_partition._sf_vectorized_input = pd.DataFrame  # type: ignore[attr-defined]
ForecastSaved.end_partition._sf_vectorized_input = pd.DataFrame  # type: ignore[attr-defined]
