"""The charts that the dashboard draws: what is sent to the browser."""

from __future__ import annotations

import pandas as pd
import pytest

from snowpipe_ml.dashboard.charts.forecasts import heat_map


@pytest.mark.parametrize("relative", [False, True])
def test_the_rows_of_the_heat_map_stand_in_the_order_of_the_series(relative: bool) -> None:
    """A list that sorts the axis costs a comparison for each cell and label, which is seconds for 500 series."""
    columns = {"PREDICTION": 2.0, "LOW": 1.0, "HIGH": 3.0, "RATIO": 1.0, "DATE": pd.Timestamp("2024-01-01")}
    cells = pd.DataFrame(
        [
            {"SERIES": key, "LABEL": label, "PERIOD": period, **columns}
            for key, label in (("k1", "b"), ("k2", "c"), ("k3", "a"))
            for period in ("2024-01-02", "2024-01-01")
        ]
    )
    chart = heat_map(cells, ["c", "a", "b"], "trips", relative=relative)
    drawn = chart.data
    assert list(drawn["LABEL"].unique()) == ["c", "a", "b"]
    assert "DATE" not in drawn
    assert ("RATIO" in drawn) is relative
    assert chart.to_dict()["encoding"]["y"]["sort"] is None
