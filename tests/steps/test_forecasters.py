"""The models that a spec may name, including custom classes: settings, names and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from snowpipe_ml.errors import SpecError
from snowpipe_ml.steps.forecasting.deploy import DeployForecaster
from tests.conftest import ROOT
from tests.steps.test_forecasting import OWN, spec


def test_a_class_of_ones_own(tmp_path: Path, trained: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    pipeline = spec(tmp_path, '{type: python, class: "own:Mean", settings: {plus: 1.5}}', after=trained)
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
        (
            '{type: python, class: "own:Mean"}',
            OWN.replace("predict_rows", "predict_row"),
            "own.py:5: the forecaster Mean lacks predict_rows",
        ),
        (
            '{type: python, class: "own:Mean"}',
            OWN.replace("(RowForecaster)", ""),
            "own.py:5: Mean has no base class",
        ),
        ('{type: python, class: "own:Mean"}', "class Mean(:", "own.py:1: "),
        (
            "{type: auto_ets}",
            OWN,
            "the model auto_ets needs the package statsforecast, and packages.p does not list it",
        ),
        (
            "{type: best_of, candidates: [{type: ridge}, {type: ridge}]}",
            OWN,
            "two models are named ridge: give each a `name`",
        ),
        ("{type: prophet}", OWN, "'type' cannot be 'prophet'"),
        (
            '{type: python, class: "own:Mean", settings: {type: ridge}}',
            OWN,
            "reserved settings, which every model receives: type",
        ),
    ],
)
def test_a_model_that_cannot_be_is_told_before_anything_runs(
    tmp_path: Path, model: str, own: str, said: str
) -> None:
    (tmp_path / "own.py").write_text(own)
    with pytest.raises(SpecError) as caught:
        spec(tmp_path, model, **{", statsforecast]}": "]}"}).validate()
    assert said in str(caught.value)


def test_the_model_of_the_guide_is_one(tmp_path: Path, trained: Path) -> None:
    guide = (ROOT / "docs" / "guide.md").read_text()
    code = guide.partition("## A model of your own")[2].partition("```python\n")[2].partition("```")[0]
    (tmp_path / "growth.py").write_text(code)
    pipeline = spec(tmp_path, '{type: python, class: "growth:Growth"}', after=trained)
    assert pipeline.run().ok
    session = pipeline.session()
    (row,) = session.sql("SELECT RMSE, SERIES FROM BOARD WHERE MODEL = 'Growth' AND FOLD IS NULL").collect()
    session.close()
    # The series repeat every week, and no week precedes the first.
    assert row["RMSE"] < 0.5
    assert row["SERIES"] == 5


@pytest.mark.slow
def test_two_candidates_of_a_type_have_names_and_a_seed_is_handed_down(tmp_path: Path, trained: Path) -> None:
    candidates = "[{type: ridge, name: stiff, alpha: 1000}, {type: ridge, name: loose, alpha: 0.1, seed: 3}]"
    pipeline = spec(tmp_path, f"{{type: best_of, seed: 7, candidates: {candidates}}}", after=trained)
    assert pipeline.run().ok
    session = pipeline.session()
    board = {
        row["MODEL"]: row["RMSE"]
        for row in session.sql("SELECT MODEL, RMSE FROM BOARD WHERE FOLD IS NULL").collect()
    }
    session.close()
    assert board.keys() == {"best_of", "stiff", "loose", "seasonal_naive", "moving_average"}
    assert board["loose"] < board["stiff"]
    _, graph, ctx = pipeline.load()
    deployed = graph.nodes["deploy"].step
    assert isinstance(deployed, DeployForecaster)
    config = deployed.config_of(deployed.features(ctx))
    assert {name: one["seed"] for name, one in config["model"]["candidates"].items()} == {
        "stiff": 7,
        "loose": 3,
    }


def test_one_name_stands_for_one_model(tmp_path: Path) -> None:
    compare = "step: 7, compare: [{type: ridge, alpha: 1000}]}"
    with pytest.raises(
        SpecError, match="`model` and `compare` have different models named ridge: give one a `name`"
    ):
        spec(tmp_path, "{type: ridge}", **{"step: 7}": compare}).validate()


def test_a_model_of_features_needs_some(tmp_path: Path) -> None:
    none = {
        "    lags: [1, 7]\n": "    lags: []\n",
        "    rolling: {mean: [7], stddev: [7]}\n": "",
        "    date_features: [weekend, month]\n": "",
        "    fourier: [{period: 7, order: 2}]\n": "",
        "    holidays: {table: holidays, days_before: 1, days_after: 1}\n": "",
        "    exogenous: [{table: weather, columns: [TEMP], future: climatology}]\n": "",
    }
    with pytest.raises(
        SpecError, match="tabnet learns from features, but the step that writes FEATURES has none"
    ):
        spec(tmp_path, "{type: tabnet}", **none).validate()
    assert spec(tmp_path, "{type: seasonal_naive}", **none).run().ok


def test_picking_the_best_needs_a_backtest(tmp_path: Path) -> None:
    pipeline = spec(
        tmp_path,
        "{type: best_of, average: 2}",
        **{"    backtest: {origins: 2, horizon: 7, step: 7}\n": ""},
    )
    with pytest.raises(SpecError, match="`average` selects models by a backtest"):
        pipeline.validate()


def test_origins_do_not_overlap(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="the horizons of consecutive origins would overlap"):
        spec(tmp_path, **{"step: 7}": "step: 6}"}).validate()
