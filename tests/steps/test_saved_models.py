"""Saved models, which forecast without training."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from snowpipe_ml.errors import SpecError
from tests.steps.test_forecasting import OWN, spec

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
    [
        pytest.param("{type: tabnet, max_epochs: 2}", marks=pytest.mark.slow),
        pytest.param(
            "{type: best_of, average: 2, candidates: [{type: ridge}, {type: seasonal_naive}]}",
            marks=pytest.mark.slow,
        ),
        "{type: ensemble, candidates: [{type: lightgbm, rounds: 20}, {type: ridge}]}",
        pytest.param('{type: python, class: "own:Mean", settings: {plus: 1}}', marks=pytest.mark.slow),
    ],
)
def test_saved_models_forecast_the_same_without_training(tmp_path: Path, trained: Path, model: str) -> None:
    (tmp_path / "own.py").write_text(
        OWN.replace("return {}", "return {k: np.array(v) for k, v in self.means.items()}").replace(
            "        pass", "        self.means = {k: float(v) for k, v in state.items()}"
        )
    )
    more = {
        "    stage: s\n    packages: p\n  train": "    stage: s\n    packages: p\n    keep_models: true\n"
        "    quantiles: [0.1, 0.975]\n  train",
        "writes: forecasts}": 'writes: forecasts, models: "@s/forecasters/"}',
        "  board:": SAVED + "  board:",
    }
    pipeline = spec(tmp_path, model, after=trained, **more)
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    assert result.steps["again"].message == f"models of {result.run.model_id}"
    session = pipeline.session()
    columns = "K, DATE, MODEL, PREDICTION, LOW, HIGH, Q10, Q97_5, LAG_1, LAG_1_EXPLANATION"
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
    with pytest.raises(SpecError, match="give both or neither"):
        spec(tmp_path, **more).validate()


@pytest.mark.slow
def test_a_month_may_be_forecast_with_the_models_of_the_last(tmp_path: Path, trained: Path) -> None:
    train = (
        'series_per_partition: 2, writes: forecasts, when: "{{ vars.retrain }}", models: "@s/forecasters/"}'
    )
    more = {
        "    stage: s\n    packages: p\n  train": "    stage: s\n    packages: p\n    keep_models: true\n  train",
        "series_per_partition: 2, writes: forecasts}": train,
        "  board:": SAVED + "  board:",
        "ROWCOUNT => 600": "ROWCOUNT => {{ vars.rows | literal }}",
    }
    pipeline = spec(tmp_path, after=trained, **more)
    pipeline.path.write_text(pipeline.path.read_text() + "vars: {retrain: true, rows: 600}\n")
    first = pipeline.run()
    assert first.ok
    pipeline.variables |= {"retrain": False, "rows": 700}
    second = pipeline.run()
    assert second.ok, {name: step.message for name, step in second.steps.items() if step.error}
    assert second.steps["train"].status.value == "omitted"
    assert second.steps["again"].message == f"models of {first.run.model_id}"
    session = pipeline.session()
    days = session.sql(
        "SELECT MIN(DATE)::VARCHAR, COUNT(*) FROM FORECAST_AGAIN WHERE PART = 'forecast'"
    ).collect()
    session.close()
    assert days == [("2023-05-21", 35)]
    pipeline.path.write_text(pipeline.path.read_text().replace("lags: [1, 7]", "lags: [1, 14]"))
    third = pipeline.run()
    assert third.steps["again"].message == (
        f"the models {first.run.model_id} were trained on other features than FEATURES has: without LAG_14 and with LAG_7; "
        "train them again, or select others by model_id"
    )


def test_forecasts_of_saved_models_need_their_packages(tmp_path: Path) -> None:
    saved = (
        "  saved: {type: forecast, models: '@s/m/', function: g, features: features, future: future, stage: s, packages: q, "
        "writes: again}\n  board:"
    )
    pipeline = spec(
        tmp_path,
        "{type: lightgbm}",
        **{
            "packages: {p:": "packages: {q: [numpy, pandas], p:",
            "    stage: s\n": "    stage: s\n    keep_models: true\n",
            "writes: forecasts}": "writes: forecasts, models: '@s/m/'}",
            "  board:": saved,
        },
    )
    with pytest.raises(
        SpecError, match=r"the model lightgbm needs the package lightgbm, and packages\.q does not list it"
    ):
        pipeline.validate()
