"""The charts that the dashboard draws: what is sent to the browser."""

from __future__ import annotations

import pandas as pd
import pytest

from snowpipe_ml.dashboard.charts.forecasts import heat_map
from snowpipe_ml.dashboard.charts.models import backtest, wins
from snowpipe_ml.dashboard.charts.monitoring import drift_bars
from snowpipe_ml.dashboard.charts.runs import Box, dot
from snowpipe_ml.dashboard.views.tables import number_format, without_missing


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


def test_a_graph_for_a_phone_has_few_nodes_beside_each_other() -> None:
    names = [f"step {number}" for number in range(5)]
    edges = [("step 0", name) for name in names[1:]]
    drawn = dot([Box(name, ("1 s", "2 rows")) for name in names], edges, abreast=2)
    assert [line.strip() for line in drawn.splitlines() if "rank=same" in line] == [
        '{rank=same; "step 0";}',
        '{rank=same; "step 1"; "step 2";}',
        '{rank=same; "step 3"; "step 4";}',
    ]
    assert '"step 1" -> "step 3" [style=invis' in drawn
    assert 'label="step 0\\n1 s\\n2 rows"' in drawn
    wide = dot([Box(name, ("1 s", "2 rows")) for name in names], edges)
    assert 'label="step 0\\n1 s · 2 rows"' in wide
    assert "rank=same" not in wide


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([12.74, 13.03, 9.1], "%.2f"),
        ([0.9222, None, 1.3], "%.3f"),
        ([123456.7], "%.0f"),
        ([1e-9], "%.4g"),
        ([0.0, None, float("inf")], "%.4g"),
        ([], "%.4g"),
    ],
)
def test_the_numbers_of_a_column_have_the_same_decimals(values: list[float | None], expected: str) -> None:
    assert number_format(pd.Series(values, dtype=float)) == expected


def test_a_table_has_no_empty_column_and_no_none() -> None:
    rows = pd.DataFrame({"A": ["x", None], "B": [None, None], "C": [1.0, None]})
    assert without_missing(rows).to_dict("list")["A"] == ["x", ""]
    assert list(without_missing(rows)) == ["A", "C"]


def test_the_bars_of_wins_have_their_numbers_inside_the_chart() -> None:
    drawn = wins([("ridge", 13), ("mstl", 0)]).to_dict()
    bar, number = drawn["layer"]
    assert bar["encoding"]["x"]["scale"]["domain"][1] > 13
    assert number["encoding"]["text"]["field"] == "SERIES"
    assert bar["encoding"]["y"]["sort"] == ["ridge", "mstl"]


def test_the_legend_of_a_backtest_names_the_actual_values() -> None:
    days = pd.date_range("2024-01-01", periods=2)
    rows = pd.DataFrame(
        {"FOLD": 1, "MODEL": "ridge", "DATE": days, "ACTUAL": 1.0, "PREDICTION": 2.0, "LOW": 1.0, "HIGH": 3.0}
    )
    band, known, lines = backtest(rows, ["ridge"], "trips").to_dict()["layer"]
    assert lines["encoding"]["color"]["scale"]["domain"] == ["actual", "ridge"]
    assert known["encoding"]["color"]["field"] == "MODEL"
    assert band["mark"]["opacity"] < 0.5, "the line of the actual values is seen through the band"


@pytest.mark.parametrize(
    ("most", "legend", "limits"),
    [
        (
            5.0,
            ["up to 0.1", "above 0.1: small change", "above 0.25: large change", "above 5: alert"],
            [0.1, 0.25, 5.0],
        ),
        (0.25, ["up to 0.1", "above 0.1: small change", "above 0.25: alert"], [0.1, 0.25]),
        (0.05, ["up to 0.05", "above 0.05: alert"], [0.05]),
    ],
)
def test_the_bars_of_drift_have_the_limits_that_they_exceed(
    most: float, legend: list[str], limits: list[float]
) -> None:
    rows = pd.DataFrame({"FEATURE": ["a", "b", "c"], "PSI": [9.0, 0.3, 0.01], "BEFORE": 1.0, "RECENT": 1.0})
    chart = drift_bars(rows, most)
    _, bars, _ = chart.to_dict()["layer"]
    assert bars["encoding"]["color"]["scale"]["domain"] == legend
    assert bars["encoding"]["x"]["axis"]["values"] == limits
    assert chart.layer[0].data["AT"].tolist() == limits
    assert chart.layer[1].data["SIZE"].tolist() == [
        legend[-1],
        legend[-2] if most == 5 else legend[-1],
        legend[0],
    ]
