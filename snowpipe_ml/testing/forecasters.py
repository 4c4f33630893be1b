"""The check of a forecaster."""

from __future__ import annotations

import numpy as np
import pandas as pd

from snowpipe_ml.models.base import Forecast, Forecaster
from snowpipe_ml.models.frequencies import DAY
from snowpipe_ml.models.panel import Series, features_of, read_panel
from snowpipe_ml.models.registry import make_forecaster
from snowpipe_ml.plugins.forecaster import FORECASTERS
from snowpipe_ml.steps.forecasting.models import as_json
from snowpipe_ml.text.problems import did_you_mean

_DAYS, _HORIZON = 70, 7
_COMMON = {"lower_bound": 0.0, "max_growth": 2.0, "seed": 0}


def check_forecaster(kind: str, **settings: object) -> None:
    """Check that a registered forecaster keeps the contract, on a small panel with a weekly pattern.

    Args:
        kind: its ``type`` in a spec.
        **settings: its settings; the defaults if not given.

    Raises:
        AssertionError: it says which part of the contract is broken.
    """
    assert kind in FORECASTERS, f"no forecaster {kind!r} is registered; {did_you_mean(kind, FORECASTERS)}"
    model = FORECASTERS[kind].model_validate({"type": kind, **settings})
    given = as_json(model, DAY, **_COMMON)
    features = features_of([{"name": "LAG_7", "kind": "lag", "days": 7}, {"name": "WEEKEND"}])
    panel, refused = read_panel(_frame(), features)
    assert not refused
    forecaster = make_forecaster(given, features)
    forecaster.fit(panel)
    assert not forecaster.failed, f"{kind}: fit() failed for {forecaster.failed}"
    for series, values in zip(panel, forecaster.predict(panel), strict=True):
        assert values.shape == series.y.shape, f"{kind}: predict() must return one value per known period"
        assert np.isfinite(values).all(), f"{kind}: predict() returned values that are not finite"
    found = forecaster.forecast(panel)
    for forecast in found:
        assert forecast.y.shape == (_HORIZON,), f"{kind}: forecast() must return one value per future period"
        assert np.isfinite(forecast.y).all(), f"{kind}: forecast() returned values that are not finite"
        assert (forecast.y >= 0).all(), f"{kind}: forecast() must respect lower_bound; see Forecaster.bounded"
    explained = forecaster.explain(panel, found)
    for explanation in explained or ():
        shape = explanation.contributions.shape
        assert shape == (_HORIZON, len(features)), (
            f"{kind}: explain() must return (days, features), not {shape}"
        )
    again = make_forecaster(given, features)
    again.fit(panel)
    _same(kind, again, panel, found, "a second fit with the same seed")
    if model.can_be_saved:
        restored = make_forecaster(given, features)
        restored.restore(forecaster.state())
        _same(kind, restored, panel, found, "restore() of its state()")


def _same(
    kind: str, forecaster: Forecaster, panel: list[Series], expected: list[Forecast], after: str
) -> None:
    for one, other in zip(forecaster.forecast(panel), expected, strict=True):
        assert np.allclose(one.y, other.y), f"{kind}: forecasts differ after {after}"


def _frame() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=_DAYS + _HORIZON)
    frames = []
    for number, key in enumerate("ab"):
        values = 10.0 * (number + 1) + 3 * np.sin(np.arange(len(days)) * 2 * np.pi / 7)
        frame = pd.DataFrame({"SERIES": key, "DATE": days.date, "COUNT": values})
        frame["LAG_7"] = frame["COUNT"].shift(7)
        frame["WEEKEND"] = (days.dayofweek >= 5).astype(float)
        frame.loc[_DAYS:, "COUNT"] = np.nan
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
