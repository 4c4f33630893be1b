"""The step type ``plot``: the files on the stage, their content, and the report."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import MissingExtraError, SpecError
from snowpipe_ml.ui.report import report_html
from tests.steps.test_forecasting import spec
from tests.steps.test_saved_models import SAVED

BOARD = "  board: {"
PLOT = '  plots: {type: plot, forecasts: forecasts, leaderboard: board, into: "@s/plots/"}\n'
PLOTTED = {BOARD: PLOT.replace("into", "series: [k3, k1], into") + BOARD}
# Drawings alone: the fixture `plotted` has both formats.
DRAWN = {BOARD: PLOTTED[BOARD].replace("into", "formats: [svg], into", 1)}
_SVG = "{http://www.w3.org/2000/svg}"


def files(pipeline: Pipeline, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    session = pipeline.session()
    session.file.get("@s/plots/", str(folder))
    session.close()
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def texts(svg: bytes) -> list[str]:
    """All texts in a drawing."""
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{_SVG}text")]


@pytest.fixture(scope="module")
def plotted(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The pipeline with a step ``plot``, after a run."""
    pipeline = spec(tmp_path_factory.mktemp("plotted"), after=trained, **PLOTTED)
    result = pipeline.run()
    assert result.ok, result.steps["plots"].error
    return pipeline


def test_everything_is_drawn_and_lies_on_the_stage(plotted: Pipeline, tmp_path: Path) -> None:
    pipeline = plotted
    found = files(pipeline, tmp_path / "files")
    plots = ("errors", "forecasts", "importance", "leaderboard")
    assert sorted(found) == sorted(f"{plot}.{form}" for plot in plots for form in ("png", "svg"))
    for name in plots:
        data = found[f"{name}.png"]
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">I", data[16:20])[0] > 1000, "three pixels a point"
    assert [text for text in texts(found["forecasts.svg"]) if text.startswith("K k")] == ["K k1", "K k3"]
    models = {"ridge", "seasonal_naive", "moving_average"}
    assert models <= set(texts(found["errors.svg"]))
    session = pipeline.session()
    board = session.sql("SELECT MODEL, RMSE FROM BOARD WHERE FOLD IS NULL").collect()
    session.close()
    assert {f"{model}  {rmse:.4g}" for model, rmse in board} <= set(texts(found["leaderboard.svg"]))
    assert {"LAG_7", "TEMP", "WEEKEND", "MEAN_7"} <= set(texts(found["importance.svg"]))


def test_the_report_has_them_as_images_that_run_nothing(plotted: Pipeline) -> None:
    with plotted.history() as history:
        page = report_html(history, plotted.graph().dag)
    assert page.count('<img src="data:image/svg+xml;base64,') == 4


def test_without_names_the_report_draws_the_largest_series_once(tmp_path: Path, trained: Path) -> None:
    pipeline = spec(
        tmp_path,
        after=trained,
        **{BOARD: PLOT.replace("into", "plots: [forecasts], formats: [svg], into") + BOARD},
    )
    result = pipeline.run()
    assert result.steps["plots"].message == "forecasts.svg"
    with pipeline.history() as history:
        (record,) = [record for record in history.steps(result.run.id) if record.step == "plots"]
    assert record.pictures == []


@pytest.mark.slow
def test_models_that_explain_nothing_leave_no_plot_of_it(tmp_path: Path, trained: Path) -> None:
    pipeline = spec(tmp_path, "{type: seasonal_naive}", after=trained, **DRAWN)
    result = pipeline.run()
    assert result.ok
    assert "importance" not in result.steps["plots"].message
    (warning,) = result.steps["plots"].warnings
    assert "nothing to draw for importance" in warning


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("leaderboard: board, ", "plots: [leaderboard], ", "the plot leaderboard needs `leaderboard`"),
        (
            "forecasts: forecasts",
            "forecasts: features",
            "must be written by a train_forecasters or a forecast step",
        ),
        ("leaderboard: board", "leaderboard: future", "must be written by a leaderboard step"),
        ("into", "plots: [error], into", "'plots' cannot be 'error'"),
        ("into", "plots: [errors, errors], into", "the list contains a duplicate"),
        ("into", "series: [k1, k1], into", "the list contains a duplicate"),
    ],
)
def test_what_cannot_be_drawn_is_said_beforehand(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec(tmp_path, **{BOARD: PLOT.replace(old, new) + BOARD}).validate()


def test_without_a_backtest_there_are_no_errors_to_draw(tmp_path: Path) -> None:
    board = "  board: {type: leaderboard, forecasts: forecasts, writes: board, by_series: board_by_series}\n"
    plot = '  plots: {type: plot, forecasts: forecasts, plots: [errors], into: "@s/plots/"}\n'
    bare = {"    backtest: {origins: 2, horizon: 7, step: 7}\n": "", board: plot}
    with pytest.raises(
        SpecError, match="the plot errors needs forecasts of a train_forecasters step with a `backtest`"
    ):
        spec(tmp_path, **bare).validate()


@pytest.mark.slow
def test_saved_models_are_drawn_with_what_happened(tmp_path: Path, trained: Path) -> None:
    train = 'series_per_partition: 2, writes: forecasts, models: "@s/forecasters/"}'
    drawn = PLOT.replace("forecasts: forecasts", "forecasts: forecast_again").replace(
        "into", "formats: [svg], into"
    )
    more = {
        "    packages: p\n  train": "    packages: p\n    keep_models: true\n  train",
        "series_per_partition: 2, writes: forecasts}": train,
        BOARD: SAVED + drawn + BOARD,
    }
    pipeline = spec(tmp_path, after=trained, **more)
    result = pipeline.run()
    assert result.ok, {name: step.error for name, step in result.steps.items() if step.error}
    found = files(pipeline, tmp_path / "files")
    assert sorted(found) == ["forecasts.svg", "importance.svg", "leaderboard.svg"]
    # The four series with the highest totals: k4 has more per day than k3, and so on.
    named = [text for text in texts(found["forecasts.svg"]) if text.startswith("K k")]
    assert named == ["K k1", "K k2", "K k3", "K k4"]
    with pipeline.history() as history:
        (record,) = [record for record in history.steps(result.run.id) if record.step == "again"]
    for chart in record.charts:
        assert sum(value is not None for value in chart["lines"]["actual"]) == 83
        assert sum(value is not None for value in chart["lines"]["forecast"]) == 7


def test_a_leaderboard_of_other_models_is_refused(tmp_path: Path) -> None:
    second = "  second: {type: train_forecasters, function: f, features: features, future: future, writes: others}\n"
    plot = PLOT.replace("forecasts: forecasts", "forecasts: others")
    with pytest.raises(
        SpecError, match="BOARD scores the models of FORECASTS, but those of OTHERS belong to OTHERS"
    ):
        spec(tmp_path, **{BOARD: second + plot + BOARD}).validate()


@pytest.mark.slow
def test_a_series_without_a_model_is_drawn_with_its_simple_forecast(tmp_path: Path) -> None:
    few = "MOD(SEQ4(), 5) < 4 OR SEQ4() > 400"
    changed = {
        "TABLE(GENERATOR(ROWCOUNT => 600))": f"TABLE(GENERATOR(ROWCOUNT => 600)) WHERE {few}",
        "    stage: s\n": "    stage: s\n    min_train_rows: 60\n",
    }
    plot = PLOT.replace("into", "series: [k1, k4], plots: [forecasts], formats: [svg], into")
    result = spec(tmp_path, **changed, **{BOARD: plot + BOARD}).run()
    assert result.ok, {name: step.error for name, step in result.steps.items() if step.error}
    assert not result.steps["plots"].warnings
    (warning,) = [text for text in result.steps["train"].warnings if "simple" in text]
    assert warning.startswith("1 series have a simple forecast, as no model could be trained")


def test_what_there_is_nothing_to_draw_of_any_more_is_removed(plotted: Pipeline, tmp_path: Path) -> None:
    pipeline = spec(tmp_path, "{type: seasonal_naive}", after=plotted.path.parent, **PLOTTED)
    assert "importance.svg" in files(pipeline, tmp_path / "before")
    assert pipeline.run().ok
    assert sorted(files(pipeline, tmp_path / "files")) == [
        f"{plot}.{form}" for plot in ("errors", "forecasts", "leaderboard") for form in ("png", "svg")
    ]


def test_without_the_extra_nothing_runs(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = spec(tmp_path / "new", **PLOTTED)
    monkeypatch.setattr(
        "snowpipe_ml.engine.plan.decisions.find_spec", lambda name: None if name == "altair" else name
    )
    with pytest.raises(MissingExtraError, match=r"the step plots \(plot\) needs the extra 'plots'"):
        pipeline.run()
    assert pipeline.plan()
    session = pipeline.session()
    assert session.sql("SHOW TABLES").collect() == []
    session.close()
    assert spec(tmp_path / "trained", after=trained, **DRAWN).run(exclude=["plots"]).ok


def test_a_series_that_is_not_there_is_named(tmp_path: Path, trained: Path) -> None:
    pipeline = spec(
        tmp_path, after=trained, **{BOARD: PLOT.replace("into", "series: [k1, nobody], into") + BOARD}
    )
    result = pipeline.run()
    assert not result.ok
    assert "FORECASTS has no series nobody" in str(result.steps["plots"].error)
