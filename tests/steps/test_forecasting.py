"""Forecasters as steps: features of every kind, what is refused, partitions, intervals and the leaderboard."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.leaderboard import pipeline_in
from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from snowpipe_ml.models.panel import Feature, past_value
from snowpipe_ml.steps.forecasting import DeployForecaster
from tests.conftest import REAL, ROOT, write_spec

SPEC = """\
stages: {s: {}}
packages: {p: [numpy, pandas, pytorch, lightgbm]}
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
    min_history_days: 30
    writes: features
  future: {type: future_features, features: features, horizon_days: 7, writes: future}
  deploy:
    type: deploy_forecaster
    function: f
    features: features
    model: MODEL
    backtest: {origins: 2, horizon_days: 7, step_days: 7}
    stage: s
    packages: p
  train: {type: train_forecasters, function: f, features: features, future: future, series_per_partition: 2, writes: forecasts}
  board: {type: leaderboard, forecasts: forecasts, writes: board, by_series: board_by_series}
"""


def spec(folder: Path, model: str = "{type: ridge}", future: str = "climatology", **more: str) -> Pipeline:
    text = SPEC.replace("MODEL", model, 1).replace("FUTURE", future)
    for old, new in more.items():
        text = text.replace(old, new)
    return Pipeline.from_yaml(write_spec(folder, text))


def test_the_features_are_what_their_names_say(tmp_path: Path) -> None:
    pipeline = spec(tmp_path)
    assert pipeline.run(select=["+future"]).ok
    session = pipeline.session()
    rows = [row.as_dict() for row in session.sql("SELECT * FROM FEATURES WHERE K = 'k2' ORDER BY DATE").collect()]
    future = [row.as_dict() for row in session.sql("SELECT * FROM FUTURE WHERE K = 'k2' ORDER BY DATE").collect()]
    session.close()
    assert len(rows) == 120
    import numpy as np

    values = np.array([12.0 + n % 7 for n in range(120)])
    for n, row in enumerate(rows + future):
        day = date(2023, 1, 1) + timedelta(days=n)
        assert row["DATE"] == day
        assert row["WEEKEND"] == (day.weekday() >= 5)
        assert row["MONTH"] == day.month
        assert (row["HOLIDAY"], row["BEFORE_HOLIDAY_1"], row["AFTER_HOLIDAY_1"]) == (
            n == 5, n == 4, n == 6
        )  # fmt: skip
        angle = 2 * math.pi * 2 * (day - date(1970, 1, 1)).days / 7
        assert row["SIN_7_2"] == pytest.approx(math.sin(angle), abs=1e-6)
        if n < 120:
            # As the forecaster computes them, day after day.
            assert row["TOTAL"] == values[n]
            for column, kind, days in (
                ("LAG_1", "lag", 1),
                ("LAG_7", "lag", 7),
                ("MEAN_7", "mean", 7),
                ("STDDEV_7", "stddev", 7),
            ):
                expected = past_value(Feature(column, kind, days), values, n)
                assert (row[column] is None and np.isnan(expected)) or row[column] == pytest.approx(expected), (
                    n,
                    column,
                )
        else:
            assert row["TOTAL"] is row["LAG_1"] is row["MEAN_7"] is None
    # Days of the year that were never seen are as the last four weeks.
    assert future[0]["TEMP"] == sum(range(3, 31)) / 28


@pytest.mark.parametrize(("future", "said"), [("known", "known"), ("last_year", "last_year")])
def test_what_nobody_knows_is_refused(tmp_path: Path, future: str, said: str) -> None:
    result = spec(tmp_path, future=future).run(select=["+future"])
    assert (
        f"TEMP of WEATHER has no value on 7 of the days to come, by the policy '{said}'"
        in result.steps["future"].message
    )


def test_the_table_of_a_forecast_fills_the_days_to_come(tmp_path: Path) -> None:
    more = "  expected: {type: transform, query: \"SELECT DATEADD(day, SEQ4(), '2023-05-01'::DATE) AS DATE, 99.0::FLOAT AS TEMP FROM TABLE(GENERATOR(ROWCOUNT => 9))\", writes: expected}\n  future:"
    pipeline = spec(tmp_path, future="{table: expected}", **{"  future:": more})
    assert pipeline.run(select=["+future"]).ok
    session = pipeline.session()
    assert session.sql("SELECT DISTINCT TEMP FROM FUTURE").collect() == [(99.0,)]
    session.close()


def test_series_are_spread_over_partitions_and_a_model_beats_the_baselines(tmp_path: Path) -> None:
    pipeline = spec(tmp_path, "{type: best_of, candidates: [{type: ridge}, {type: lightgbm}, {type: seasonal_naive}]}")
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
    # The series repeat week by week: nothing is wrong with the day a week before.
    assert board["seasonal_naive"]["RMSE"] == 0
    assert board["seasonal_naive"]["SERIES"] == 5
    assert board["moving_average"]["RMSE"] > board["ridge"]["RMSE"]
    assert set(board) == {"best_of", "ridge", "lightgbm", "seasonal_naive", "moving_average"}
    assert [tuple(row) for row in by_series] == [(25, 5)]
    assert "no model beats seasonal_naive" in result.steps["board"].warnings[0]


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


def test_a_class_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    pipeline = spec(tmp_path, '{type: python, class: "own:Mean", settings: {plus: 1.5}}')
    assert pipeline.run().ok
    session = pipeline.session()
    (row,) = session.sql(
        "SELECT COUNT(*), MAX(ABS(F.PREDICTION - M.MEAN - 1.5)) FROM FORECASTS F JOIN (SELECT K, AVG(ACTUAL) AS MEAN FROM FORECASTS "
        "WHERE PART IN ('train', 'validation') GROUP BY K) M ON M.K = F.K WHERE F.PART = 'forecast'"
    ).collect()
    session.close()
    assert row[0] == 35
    assert row[1] < 1e-6


@pytest.mark.parametrize(
    ("model", "own", "said"),
    [
        ('{type: python, class: "own:Men"}', OWN, "own.py has no class 'Men'; there are: Mean"),
        ('{type: python, class: "other:Mean"}', OWN, "cannot read 'other.py'"),
        ('{type: python, class: "own:Mean"}', OWN.replace("predict_rows", "predict_row"), "own.py:5: the forecaster Mean lacks predict_rows"),
        ('{type: python, class: "own:Mean"}', OWN.replace("(RowForecaster)", ""), "own.py:5: Mean derives from nothing"),
        ('{type: python, class: "own:Mean"}', "class Mean(:", "own.py:1: "),
        ("{type: auto_ets}", OWN, "the model auto_ets needs the package statsforecast, and packages.p does not list it"),
        ("{type: best_of, candidates: [{type: ridge}, {type: ridge}]}", OWN, "two models are named ridge: give each a `name`"),
        ("{type: prophet}", OWN, "'type' cannot be 'prophet'"),
        ('{type: python, class: "own:Mean", settings: {type: ridge}}', OWN, "settings of that name are given to every model: type"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_is_told_before_anything_runs(tmp_path: Path, model: str, own: str, said: str) -> None:
    (tmp_path / "own.py").write_text(own)
    with pytest.raises(SpecError) as caught:
        spec(tmp_path, model).validate()
    assert said in str(caught.value)


def test_models_are_compared_on_the_days_that_all_of_them_forecast(tmp_path: Path) -> None:
    picky = "        self.failed |= {s.key: 'not this one' for s in panel if s.key == 'k1'}\n"
    (tmp_path / "own.py").write_text(OWN.replace("\n    def predict_rows", f"{picky}\n    def predict_rows"))
    compare = 'compare: [{type: seasonal_naive}, {type: python, class: "own:Mean", settings: {plus: 0}}]}'
    pipeline = spec(tmp_path, **{"step_days: 7}": f"step_days: 7, {compare}"})
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


def test_origins_do_not_overlap(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="an origin would lie among the days that the one before it is scored on"):
        spec(tmp_path, **{"step_days: 7}": "step_days: 6}"}).validate()


def test_the_model_of_the_guide_is_one(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guide.md").read_text()
    code = guide.partition("## A model of your own")[2].partition("```python\n")[2].partition("```")[0]
    (tmp_path / "growth.py").write_text(code)
    pipeline = spec(tmp_path, '{type: python, class: "growth:Growth"}')
    assert pipeline.run().ok
    session = pipeline.session()
    (row,) = session.sql("SELECT RMSE, SERIES FROM BOARD WHERE MODEL = 'Growth' AND FOLD IS NULL").collect()
    session.close()
    # The series repeat week by week, and the first week has no week before it.
    assert row["RMSE"] < 0.5
    assert row["SERIES"] == 5


def test_two_candidates_of_a_type_have_names_and_a_seed_is_handed_down(tmp_path: Path) -> None:
    candidates = "[{type: ridge, name: stiff, alpha: 1000}, {type: ridge, name: loose, alpha: 0.1, seed: 3}]"
    pipeline = spec(tmp_path, f"{{type: best_of, seed: 7, candidates: {candidates}}}")
    assert pipeline.run().ok
    session = pipeline.session()
    board = {
        row["MODEL"]: row["RMSE"] for row in session.sql("SELECT MODEL, RMSE FROM BOARD WHERE FOLD IS NULL").collect()
    }
    session.close()
    assert board.keys() == {"best_of", "stiff", "loose", "seasonal_naive", "moving_average"}
    assert board["loose"] < board["stiff"]
    _, graph, ctx = pipeline.load()
    deployed = graph.nodes["deploy"].step
    assert isinstance(deployed, DeployForecaster)
    config = json.loads(deployed._config(ctx))
    assert {name: one["seed"] for name, one in config["model"]["candidates"].items()} == {"stiff": 7, "loose": 3}


def test_one_name_stands_for_one_model(tmp_path: Path) -> None:
    compare = "step_days: 7, compare: [{type: ridge, alpha: 1000}]}"
    with pytest.raises(SpecError, match="`model` and `compare` differ in what they call ridge: give one a `name`"):
        spec(tmp_path, "{type: ridge}", **{"step_days: 7}": compare}).validate()


def test_a_model_of_features_needs_some(tmp_path: Path) -> None:
    none = {
        "    lags: [1, 7]\n": "    lags: []\n", "    rolling: {mean: [7], stddev: [7]}\n": "",
        "    date_features: [weekend, month]\n": "", "    fourier: [{period: 7, order: 2}]\n": "",
        "    holidays: {table: holidays, days_before: 1, days_after: 1}\n": "",
        "    exogenous: [{table: weather, columns: [TEMP], future: climatology}]\n": "",
    }  # fmt: skip
    with pytest.raises(SpecError, match="tabnet learns from features, and the step that writes FEATURES makes none"):
        spec(tmp_path, "{type: tabnet}", **none).validate()
    assert spec(tmp_path, "{type: seasonal_naive}", **none).run().ok


def test_a_partition_has_a_series(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'series_per_partition' must be at least 1, not 0"):
        spec(tmp_path, **{"series_per_partition: 2": "series_per_partition: 0"}).validate()


def test_days_beyond_the_backtest_have_no_interval_and_that_is_said(tmp_path: Path) -> None:
    pipeline = spec(tmp_path, **{"horizon_days: 7, writes: future": "horizon_days: 10, writes: future"})
    result = pipeline.run()
    assert result.ok
    assert result.steps["train"].warnings == (
        "forecasts reach 10 days ahead and the backtest 7: the days between have no interval; set backtest.horizon_days",
    )
    session = pipeline.session()
    counts = session.sql(
        "SELECT COUNT_IF(LOW IS NOT NULL AND HIGH IS NOT NULL), COUNT_IF(LOW IS NULL AND HIGH IS NULL) FROM FORECASTS "
        "WHERE PART = 'forecast'"
    ).collect()
    session.close()
    assert [tuple(row) for row in counts] == [(5 * 7, 5 * 3)]


def test_intervals_are_compared_where_all_models_have_them(tmp_path: Path) -> None:
    """best_of has its first interval an origin later than its candidates."""
    pipeline = spec(tmp_path, "{type: best_of}", **{"{origins: 2": "{origins: 4"})
    assert pipeline.run().ok
    session = pipeline.session()
    known = session.sql(
        "SELECT DISTINCT FOLD, COVERAGE IS NOT NULL, PINBALL IS NOT NULL FROM BOARD ORDER BY 1"
    ).collect()
    expected = session.sql(
        "SELECT AVG(IFF(ACTUAL BETWEEN LOW AND HIGH, 1, 0)::FLOAT) FROM FORECASTS WHERE PART = 'backtest' AND FOLD >= 2 "
        "AND MODEL = 'ridge'"
    ).collect()[0][0]
    ridge = session.sql("SELECT COVERAGE FROM BOARD WHERE MODEL = 'ridge' AND FOLD IS NULL").collect()[0][0]
    session.close()
    assert [tuple(row) for row in known] == [(1, False, False), (2, True, True), (3, True, True), (None, True, True)]
    assert ridge == pytest.approx(expected)


def test_forecasts_of_saved_models_need_their_packages(tmp_path: Path) -> None:
    saved = (
        "  saved: {type: forecast, models: '@s/m/', function: g, features: features, future: future, stage: s, packages: q, "
        "writes: again}\n  board:"
    )
    pipeline = spec(
        tmp_path, "{type: lightgbm}",
        **{"packages: {p:": "packages: {q: [numpy, pandas], p:", "    stage: s\n": "    stage: s\n    keep_models: true\n",
           "writes: forecasts}": "writes: forecasts, models: '@s/m/'}", "  board:": saved},
    )  # fmt: skip
    with pytest.raises(
        SpecError, match=r"the model lightgbm needs the package lightgbm, and packages\.q does not list it"
    ):
        pipeline.validate()


def test_best_of_needs_a_backtest(tmp_path: Path) -> None:
    pipeline = spec(tmp_path, "{type: best_of}", **{"    backtest: {origins: 2, horizon_days: 7, step_days: 7}\n": ""})
    with pytest.raises(SpecError, match="best_of chooses by a backtest"):
        pipeline.validate()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real data is not here")
def test_best_of_on_real_trips_is_as_good_as_the_best_single_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks import leaderboard

    quick = [item for item in leaderboard.SINGLE if item["type"] not in ("auto_arima", "tabnet")]
    monkeypatch.setattr(leaderboard, "SINGLE", quick)
    variables = {
        "source": str(REAL / "citibike"), "months": ["2022-01", "2022-02", "2022-03"], "horizon_days": 14,
        "lags": [1, 7], "min_history_days": 60,
    }  # fmt: skip
    pipeline = pipeline_in(tmp_path, variables)
    assert pipeline.run().ok
    session = pipeline.session()
    board: dict[str, Any] = {
        row["MODEL"]: row for row in session.sql("SELECT * FROM LEADERBOARD WHERE FOLD = 2").collect()
    }
    session.close()
    own = board.pop("best_of")
    assert set(board) == {item["type"] for item in quick}
    assert own["RMSE"] <= 1.05 * min(row["RMSE"] for row in board.values())
    assert 0.75 <= own["COVERAGE"] <= 0.85


SAVED = """\
  again:
    type: forecast
    models: "@s/forecasters/"
    function: g
    features: features
    future: future
    stage: s
    packages: p
    writes: forecast_again
"""


@pytest.mark.parametrize(
    "model",
    ["{type: tabnet, max_epochs: 2}", "{type: best_of}", '{type: python, class: "own:Mean", settings: {plus: 1}}'],
)
def test_saved_models_forecast_the_same_without_training(tmp_path: Path, model: str) -> None:
    (tmp_path / "own.py").write_text(OWN.replace("return {}", "return {k: np.array(v) for k, v in self.means.items()}").replace(
        "        pass", "        self.means = {k: float(v) for k, v in state.items()}"))  # fmt: skip
    more = {"    stage: s\n    packages: p\n  train": "    stage: s\n    packages: p\n    keep_models: true\n  train",
            "writes: forecasts}": 'writes: forecasts, models: "@s/forecasters/"}', "  board:": SAVED + "  board:"}  # fmt: skip
    pipeline = spec(tmp_path, model, **more)
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    assert result.steps["again"].message == f"models of {result.run.model_id}"
    session = pipeline.session()
    columns = "K, DATE, MODEL, PREDICTION, LOW, HIGH, LAG_1, LAG_1_EXPLANATION"
    trained, saved = (
        session.sql(f"SELECT {columns} FROM {name} WHERE PART = 'forecast' ORDER BY K, DATE").collect()
        for name in ("FORECASTS", "FORECAST_AGAIN")
    )
    listed = sorted(row["name"].rpartition("/")[2] for row in session.sql("LIST @s/forecasters/").collect())
    assert "ARTIFACT" not in session.table("FORECASTS").columns
    session.close()
    assert len(trained) == 35
    for one, two in zip(trained, saved, strict=True):
        assert one[:3] == two[:3]
        numbers = [[math.nan if value is None else value for value in row[3:]] for row in (one, two)]
        assert numbers[1] == pytest.approx(numbers[0], rel=1e-6, abs=1e-6, nan_ok=True)
    assert listed == ["manifest.json", "models-000.npz", "models-001.npz", "models-002.npz"]


@pytest.mark.parametrize(
    "more",
    [
        {"writes: forecasts}": 'writes: forecasts, models: "@s/forecasters/"}'},
        {"    packages: p\n  train": "    packages: p\n    keep_models: true\n  train"},
    ],
)
def test_models_are_kept_only_where_both_steps_say_so(tmp_path: Path, more: dict[str, str]) -> None:
    with pytest.raises(SpecError, match="go together: give both or none"):
        spec(tmp_path, **more).validate()


def test_a_month_may_be_forecast_with_the_models_of_the_last(tmp_path: Path) -> None:
    train = 'series_per_partition: 2, writes: forecasts, when: "{{ vars.retrain }}", models: "@s/forecasters/"}'
    more = {"    stage: s\n    packages: p\n  train": "    stage: s\n    packages: p\n    keep_models: true\n  train",
            "series_per_partition: 2, writes: forecasts}": train, "  board:": SAVED + "  board:",
            "ROWCOUNT => 600": "ROWCOUNT => {{ vars.rows | literal }}"}  # fmt: skip
    pipeline = spec(tmp_path, **more)
    pipeline.path.write_text(pipeline.path.read_text() + "vars: {retrain: true, rows: 600}\n")
    first = pipeline.run()
    assert first.ok
    pipeline.variables |= {"retrain": False, "rows": 700}
    second = pipeline.run()
    assert second.ok, {name: step.message for name, step in second.steps.items() if step.error}
    assert second.steps["train"].status.value == "omitted"
    assert second.steps["again"].message == f"models of {first.run.model_id}"
    session = pipeline.session()
    days = session.sql("SELECT MIN(DATE)::VARCHAR, COUNT(*) FROM FORECAST_AGAIN WHERE PART = 'forecast'").collect()
    session.close()
    assert days == [("2023-05-21", 35)]
    pipeline.path.write_text(pipeline.path.read_text().replace("lags: [1, 7]", "lags: [1, 14]"))
    third = pipeline.run()
    assert third.steps["again"].message == (
        f"the models {first.run.model_id} were trained on other features than FEATURES has: without LAG_14 and with LAG_7; "
        "train them again, or name others by model_id"
    )
