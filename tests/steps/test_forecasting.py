"""Forecasters as steps: features of every kind, refused series, partitions, intervals and the leaderboard."""

from __future__ import annotations

import math
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.leaderboard import pipeline_in
from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from snowpipe_ml.models.panel import Feature, past_value
from tests.conftest import REAL, write_spec

SPEC = """\
stages: {s: {}}
packages: {p: [numpy, pandas, pytorch, lightgbm, statsforecast]}
steps:
  events:
    type: transform
    query: >-
      SELECT 'k' || MOD(SEQ4(), 5) AS K, DATEADD(day, FLOOR(SEQ4() / 5), '2023-01-01'::DATE) AS AT,
      10 + MOD(SEQ4(), 5) + MOD(FLOOR(SEQ4() / 5), 7) AS N FROM TABLE(GENERATOR(ROWCOUNT => 600))
    writes: events
  holidays: {type: transform, query: "SELECT '2023-01-06'::DATE AS DATE", writes: holidays}
  weather: {type: transform, query: "SELECT DISTINCT AT AS DATE, DAYOFMONTH(AT)::FLOAT AS TEMP FROM {{ ref('events') }}", writes: weather}
  features:
    type: features
    from: events
    partition_by: K
    timestamp: AT
    value: N
    target: TOTAL
    lags: [1, 7]
    rolling: {mean: [7], stddev: [7]}
    date_features: [weekend, month]
    fourier: [{period: 7, order: 2}]
    holidays: {table: holidays, days_before: 1, days_after: 1}
    exogenous: [{table: weather, columns: [TEMP], future: FUTURE}]
    min_history: 30
    writes: features
  future: {type: future_features, features: features, horizon: 7, writes: future}
  deploy:
    type: deploy_forecaster
    function: f
    features: features
    model: MODEL
    backtest: {origins: 2, horizon: 7, step: 7}
    stage: s
    packages: p
  train: {type: train_forecasters, function: f, features: features, future: future, series_per_partition: 2, writes: forecasts}
  board: {type: leaderboard, forecasts: forecasts, writes: board, by_series: board_by_series}
"""


def spec(
    folder: Path,
    model: str = "{type: ridge}",
    future: str = "climatology",
    after: Path | None = None,
    **more: str,
) -> Pipeline:
    """The pipeline with some changes; ``after``: on a copy of the warehouse of an earlier run in that folder."""
    if after is not None:
        shutil.copytree(after / "warehouse", folder / "warehouse")
    text = SPEC.replace("MODEL", model, 1).replace("FUTURE", future)
    for old, new in more.items():
        text = text.replace(old, new)
    return Pipeline.from_yaml(write_spec(folder, text))


OWN = """\
import numpy as np
from snowpipe_ml.models.base import RowForecaster


class Mean(RowForecaster):
    def fit(self, panel):
        self.means = {series.key: series.y.mean() + self.settings["plus"] for series in panel}

    def predict_rows(self, panel, xs):
        return [np.full(len(x), self.means[series.key]) for series, x in zip(panel, xs)]

    def state(self):
        return {}

    def restore(self, state):
        pass
"""


def test_the_features_are_what_their_names_say(trained: Path, tmp_path: Path) -> None:
    session = spec(tmp_path, after=trained).session()
    rows = [
        row.as_dict() for row in session.sql("SELECT * FROM FEATURES WHERE K = 'k2' ORDER BY DATE").collect()
    ]
    future = [
        row.as_dict() for row in session.sql("SELECT * FROM FUTURE WHERE K = 'k2' ORDER BY DATE").collect()
    ]
    session.close()
    assert len(rows) == 120
    import numpy as np

    values = np.array([12.0 + n % 7 for n in range(120)])
    for n, row in enumerate(rows + future):
        day = date(2023, 1, 1) + timedelta(days=n)
        assert row["DATE"] == day
        assert row["WEEKEND"] == (day.weekday() >= 5)
        assert row["MONTH"] == day.month
        assert (row["HOLIDAY"], row["BEFORE_HOLIDAY_1"], row["AFTER_HOLIDAY_1"]) == (n == 5, n == 4, n == 6)
        angle = 2 * math.pi * 2 * (day - date(1970, 1, 1)).days / 7
        assert row["SIN_7_2"] == pytest.approx(math.sin(angle), abs=1e-6)
        if n < 120:
            # The lags are computed recursively, as the forecaster does.
            assert row["TOTAL"] == values[n]
            for column, kind, days in (
                ("LAG_1", "lag", 1),
                ("LAG_7", "lag", 7),
                ("MEAN_7", "mean", 7),
                ("STDDEV_7", "stddev", 7),
            ):
                expected = past_value(Feature(column, kind, days), values, n)
                assert (row[column] is None and np.isnan(expected)) or row[column] == pytest.approx(
                    expected
                ), (
                    n,
                    column,
                )
        else:
            assert row["TOTAL"] is row["LAG_1"] is row["MEAN_7"] is None
    # Days of the year without history take the mean of the last four weeks.
    assert future[0]["TEMP"] == sum(range(3, 31)) / 28


@pytest.mark.parametrize(("future", "said"), [("known", "known"), ("last_year", "last_year")])
def test_what_nobody_knows_is_refused(tmp_path: Path, trained: Path, future: str, said: str) -> None:
    result = spec(tmp_path, future=future, after=trained).run(select=["+future"])
    assert (
        f"TEMP of WEATHER has no value for 7 future days under the policy '{said}'"
        in result.steps["future"].message
    )


def test_the_table_of_a_forecast_fills_the_days_to_come(tmp_path: Path, trained: Path) -> None:
    more = "  expected: {type: transform, query: \"SELECT DATEADD(day, SEQ4(), '2023-05-01'::DATE) AS DATE, 99.0::FLOAT AS TEMP FROM TABLE(GENERATOR(ROWCOUNT => 9))\", writes: expected}\n  future:"
    pipeline = spec(tmp_path, future="{table: expected}", after=trained, **{"  future:": more})
    assert pipeline.run(select=["+future"]).ok
    session = pipeline.session()
    assert session.sql("SELECT DISTINCT TEMP FROM FUTURE").collect() == [(99.0,)]
    session.close()


def test_series_are_spread_over_partitions_and_a_model_beats_the_baselines(
    tmp_path: Path, trained: Path
) -> None:
    pipeline = spec(
        tmp_path,
        "{type: best_of, candidates: [{type: ridge}, {type: lightgbm}, {type: seasonal_naive}]}",
        after=trained,
    )
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    session = pipeline.session()
    counts = session.sql(
        "SELECT PART, COUNT(DISTINCT K), COUNT_IF(PREDICTION IS NULL) FROM FORECASTS GROUP BY 1 ORDER BY 1"
    ).collect()
    board = {row["MODEL"]: row for row in session.sql("SELECT * FROM BOARD WHERE FOLD IS NULL").collect()}
    by_series = session.sql("SELECT COUNT(*), COUNT(DISTINCT K) FROM BOARD_BY_SERIES").collect()
    session.close()
    assert [tuple(row) for row in counts] == [
        ("backtest", 5, 0),
        ("forecast", 5, 0),
        ("train", 5, 0),
        ("validation", 5, 0),
    ]
    # The series repeat every week, so the baseline of a week before makes no error.
    assert board["seasonal_naive"]["RMSE"] == 0
    assert board["seasonal_naive"]["SERIES"] == 5
    assert board["moving_average"]["RMSE"] > board["ridge"]["RMSE"]
    assert set(board) == {"best_of", "ridge", "lightgbm", "seasonal_naive", "moving_average"}
    assert [tuple(row) for row in by_series] == [(25, 5)]
    assert "no model beats seasonal_naive" in result.steps["board"].warnings[0]


def test_models_are_compared_on_the_days_that_all_of_them_forecast(tmp_path: Path, trained: Path) -> None:
    picky = "        self.failed |= {s.key: 'not this one' for s in panel if s.key == 'k1'}\n"
    (tmp_path / "own.py").write_text(OWN.replace("\n    def predict_rows", f"{picky}\n    def predict_rows"))
    compare = 'compare: [{type: seasonal_naive}, {type: python, class: "own:Mean", settings: {plus: 0}}]}'
    pipeline = spec(tmp_path, after=trained, **{"step: 7}": f"step: 7, {compare}"})
    result = pipeline.run()
    assert result.ok, {name: step.error for name, step in result.steps.items() if step.error}
    session = pipeline.session()
    board = session.sql("SELECT MODEL, SERIES, DAYS FROM BOARD WHERE FOLD IS NULL ORDER BY MODEL").collect()
    backtested = dict(
        session.sql(
            "SELECT MODEL, COUNT(DISTINCT K) FROM FORECASTS WHERE PART = 'backtest' AND FOLD = 1 GROUP BY MODEL"
        ).collect()
    )
    session.close()
    assert backtested == {"Mean": 4, "ridge": 5, "seasonal_naive": 5}
    assert [tuple(row) for row in board] == [("Mean", 4, 28), ("ridge", 4, 28), ("seasonal_naive", 4, 28)]


def test_a_partition_has_a_series(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'series_per_partition' must be at least 1, not 0"):
        spec(tmp_path, **{"series_per_partition: 2": "series_per_partition: 0"}).validate()


@pytest.mark.slow
def test_days_beyond_the_backtest_have_no_interval_and_that_is_said(tmp_path: Path, trained: Path) -> None:
    pipeline = spec(tmp_path, after=trained, **{"horizon: 7, writes: future": "horizon: 10, writes: future"})
    result = pipeline.run()
    assert result.ok
    assert result.steps["train"].warnings == (
        "forecasts reach 10 days ahead, but the backtest only 7: the days beyond it have no interval; "
        "set backtest.horizon",
    )
    session = pipeline.session()
    counts = session.sql(
        "SELECT COUNT_IF(LOW IS NOT NULL AND HIGH IS NOT NULL), COUNT_IF(LOW IS NULL AND HIGH IS NULL) FROM FORECASTS "
        "WHERE PART = 'forecast'"
    ).collect()
    session.close()
    assert [tuple(row) for row in counts] == [(5 * 7, 5 * 3)]


@pytest.mark.slow
def test_intervals_are_compared_where_all_models_have_them(tmp_path: Path, trained: Path) -> None:
    """From the second origin on, all models know the errors of an earlier one."""
    model = "{type: ensemble, candidates: [{type: ridge}, {type: lightgbm}, {type: seasonal_naive}]}"
    pipeline = spec(tmp_path, model, after=trained, **{"{origins: 2": "{origins: 4"})
    assert pipeline.run().ok
    session = pipeline.session()
    known = session.sql(
        "SELECT DISTINCT FOLD, COVERAGE IS NOT NULL, PINBALL IS NOT NULL FROM BOARD ORDER BY 1"
    ).collect()
    expected = session.sql(
        "SELECT AVG(IFF(ACTUAL BETWEEN LOW AND HIGH, 1, 0)::FLOAT) FROM FORECASTS WHERE PART = 'backtest' AND FOLD >= 1 "
        "AND MODEL = 'ridge'"
    ).collect()[0][0]
    ridge = session.sql("SELECT COVERAGE FROM BOARD WHERE MODEL = 'ridge' AND FOLD IS NULL").collect()[0][0]
    session.close()
    assert [tuple(row) for row in known] == [
        (1, True, True),
        (2, True, True),
        (3, True, True),
        (None, True, True),
    ]
    assert ridge == pytest.approx(expected)


def test_quantiles_are_forecast_and_scored(tmp_path: Path, trained: Path) -> None:
    more = {
        "    stage: s\n    packages: p\n  train": "    stage: s\n    packages: p\n    quantiles: [0.1, 0.5, 0.9]\n  train"
    }
    pipeline = spec(tmp_path, "{type: ridge}", after=trained, **more)
    assert pipeline.run().ok
    session = pipeline.session()
    (row,) = session.sql(
        "SELECT COUNT(*), COUNT_IF(0 <= Q10 AND Q10 <= Q50 AND Q50 <= Q90) FROM FORECASTS WHERE PART = 'forecast'"
    ).collect()
    assert tuple(row) == (35, 35)
    board = session.sql("SELECT WQL, BELOW_Q10, BELOW_Q90 FROM BOARD WHERE MODEL = 'ridge' AND FOLD IS NULL")
    wql, below, most = board.collect()[0]
    rows = session.sql(
        "SELECT ACTUAL, Q10, Q50, Q90 FROM FORECASTS WHERE PART = 'backtest' AND MODEL = 'ridge' AND FOLD = 1"
    ).collect()
    session.close()
    losses = [
        sum(max(p * (y - q), (p - 1) * (y - q)) for p, q in zip((0.1, 0.5, 0.9), quantiles, strict=True))
        for y, *quantiles in rows
    ]
    assert wql == pytest.approx(2 * sum(losses) / 3 / sum(abs(row[0]) for row in rows))
    assert below == pytest.approx(sum(row[0] <= row[1] for row in rows) / len(rows))
    assert most == pytest.approx(sum(row[0] <= row[3] for row in rows) / len(rows))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"    packages: p\n  train": "    packages: p\n    quantiles: [0.9, 0.1]\n  train"},
            "must be ascending",
        ),
        (
            {
                "    backtest: {origins: 2, horizon: 7, step: 7}\n": "    quantiles: [0.1]\n",
            },
            "`quantiles` are calibrated on a backtest",
        ),
    ],
)
def test_quantiles_that_cannot_be_are_refused(tmp_path: Path, more: dict[str, str], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        spec(tmp_path, "{type: ridge}", **more).validate()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize(
    "slow",
    [
        pytest.param(("auto_arima", "tabnet", "auto_ets"), marks=pytest.mark.slow),
        pytest.param(("auto_arima", "tabnet"), marks=pytest.mark.stress),
    ],
)
def test_best_of_on_real_trips_is_as_good_as_the_best_single_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: tuple[str, ...]
) -> None:
    from benchmarks import leaderboard

    quick = [item for item in leaderboard.SINGLE if item["type"] not in slow]
    monkeypatch.setattr(leaderboard, "SINGLE", quick)
    variables = {
        "source": str(REAL / "citibike"),
        "months": ["2022-01", "2022-02", "2022-03"],
        "horizon_days": 14,
        "lags": [1, 7],
        "min_history_days": 60,
    }
    pipeline = pipeline_in(tmp_path, variables)
    assert pipeline.run(select=["+leaderboard"]).ok
    session = pipeline.session()
    board: dict[str, Any] = {
        row["MODEL"]: row for row in session.sql("SELECT * FROM LEADERBOARD WHERE FOLD = 2").collect()
    }
    session.close()
    own = board.pop("best_of")
    assert set(board) == {item["type"] for item in quick}
    # The best in hindsight is the moving average here, which is 3 to 30 % better than each model on this fortnight.
    assert own["RMSE"] <= 1.06 * min(row["RMSE"] for row in board.values())
    assert 0.7 <= own["COVERAGE"] <= 0.88
