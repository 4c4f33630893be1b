"""``plot``: the files on the stage, what is drawn in them, and the report."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.history import History
from snowpipe_ml.errors import SpecError
from snowpipe_ml.ui.report import report_html
from tests.steps.test_forecasting import spec

BOARD = "  board: {"
PLOT = '  plots: {type: plot, forecasts: forecasts, leaderboard: board, into: "@s/plots/"}\n'
PLOTTED = {BOARD: PLOT.replace("into", "series: [k3, k1], into") + BOARD}
_SVG = "{http://www.w3.org/2000/svg}"


def files(pipeline: Pipeline, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    session = pipeline.session()
    session.file.get("@s/plots/", str(folder))
    session.close()
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def texts(svg: bytes) -> list[str]:
    """All that is written in a drawing."""
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{_SVG}text")]


def test_everything_is_drawn_and_lies_on_the_stage(tmp_path: Path) -> None:
    pipeline = spec(tmp_path, **PLOTTED)
    result = pipeline.run()
    assert result.ok, result.steps["plots"].error
    found = files(pipeline, tmp_path / "files")
    plots = ("errors", "forecasts", "importance", "leaderboard")
    assert sorted(found) == sorted(f"{plot}.{form}" for plot in plots for form in ("png", "svg"))
    for name in plots:
        data = found[f"{name}.png"]
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">I", data[16:20])[0] > 1000, "two pixels a point"
    assert [text for text in texts(found["forecasts.svg"]) if text.startswith("K k")] == ["K k1", "K k3"]
    models = {"ridge", "seasonal_naive", "moving_average"}
    for name in ("errors", "leaderboard"):
        assert models <= set(texts(found[f"{name}.svg"]))
    session = pipeline.session()
    board = session.sql("SELECT MODEL, RMSE FROM BOARD WHERE FOLD IS NULL").collect()
    session.close()
    written = texts(found["leaderboard.svg"])
    for _, rmse in board:
        assert any(abs(float(text) - rmse) < 0.01 for text in written if text.replace(".", "").isdigit()), rmse
    assert {"LAG_7", "TEMP", "WEEKEND", "MEAN_7"} <= set(texts(found["importance.svg"]))


def test_the_report_has_them_as_images_that_run_nothing(tmp_path: Path) -> None:
    pipeline = spec(tmp_path, **PLOTTED)
    assert pipeline.run().ok
    with History.open(pipeline) as history:
        page = report_html(history, pipeline.graph().dag)
    assert page.count('<img src="data:image/svg+xml;base64,') == 4


def test_without_names_the_report_draws_the_largest_series_once(tmp_path: Path) -> None:
    pipeline = spec(tmp_path, **{BOARD: PLOT.replace("into", "plots: [forecasts], formats: [svg], into") + BOARD})
    result = pipeline.run()
    assert result.steps["plots"].message == "forecasts.svg"
    with History.open(pipeline) as history:
        (record,) = [record for record in history.steps(result.run.id) if record.step == "plots"]
    assert record.pictures == []


def test_models_that_explain_nothing_leave_no_plot_of_it(tmp_path: Path) -> None:
    pipeline = spec(tmp_path, "{type: seasonal_naive}", **PLOTTED)
    result = pipeline.run()
    assert result.ok
    assert "importance" not in result.steps["plots"].message
    (warning,) = result.steps["plots"].warnings
    assert "nothing to draw for importance" in warning


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("leaderboard: board, ", "plots: [leaderboard], ", "the plot leaderboard needs `leaderboard`"),
        ("forecasts: forecasts", "forecasts: features", "must be written by a train_forecasters or a forecast step"),
        ("leaderboard: board", "leaderboard: future", "must be written by a leaderboard step"),
        ("into", "plots: [error], into", "plots"),
    ],
)
def test_what_cannot_be_drawn_is_said_beforehand(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec(tmp_path, **{BOARD: PLOT.replace(old, new) + BOARD}).validate()


def test_without_a_backtest_there_are_no_errors_to_draw(tmp_path: Path) -> None:
    board = "  board: {type: leaderboard, forecasts: forecasts, writes: board, by_series: board_by_series}\n"
    plot = '  plots: {type: plot, forecasts: forecasts, plots: [errors], into: "@s/plots/"}\n'
    bare = {"    backtest: {origins: 2, horizon_days: 7, step_days: 7}\n": "", board: plot}
    with pytest.raises(
        SpecError, match="the plot errors needs forecasts of a train_forecasters step with a `backtest`"
    ):
        spec(tmp_path, **bare).validate()


def test_a_series_that_is_not_there_is_named(tmp_path: Path) -> None:
    pipeline = spec(tmp_path, **{BOARD: PLOT.replace("into", "series: [k1, nobody], into") + BOARD})
    result = pipeline.run()
    assert not result.ok
    assert "FORECASTS has no series nobody" in str(result.steps["plots"].error)
