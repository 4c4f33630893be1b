"""``init --notebook``: the notebook runs from top to bottom in a Jupyter kernel."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient

from snowpipe_ml.cli.main import main
from tests.conftest import ROOT


def init(folder: Path, *arguments: str) -> Any:
    return CliRunner().invoke(main, ["init", str(folder), "--notebook", *arguments])


def texts(notebook: Any) -> list[str]:
    """The outputs of the cells, as text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.get("data", {}).get("text/plain") or output.get("text", "") for output in outputs]


def test_all_cells_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, with models that are fitted at once."""
    assert init(tmp_path, "--template", "forecast").exit_code == 0
    monkeypatch.chdir(tmp_path)
    document = json.loads((tmp_path / "explore.ipynb").read_text())
    code = ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    replaced = {'"auto_arima"': '"moving_average"', '"auto_ets", "dynamic_theta"': '"seasonal_naive",'}
    for model in replaced:
        assert model in "\n".join(code)
    with pd.option_context("display.max_colwidth", 50):
        for text in code:
            for model, quick in replaced.items():
                text = text.replace(model, quick)
            exec(compile(text, "explore.ipynb", "exec"), names)
    assert {"moving_average", "seasonal_naive"} <= set(names["errors"]["MODEL"])
    assert len(names["per_series"]) == 4


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    assert init(tmp_path, "--template", "forecast").exit_code == 0
    notebook = nbformat.read(tmp_path / "explore.ipynb", as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "\n".join(texts(notebook))
    assert "4 series" in shown
    assert "Stationarity(of='values'" in shown
    assert "type: future_features" in shown
    models = ("auto_arima", "auto_ets", "dynamic_theta", "moving_average", "seasonal_naive")
    assert all(model in texts(notebook)[-1] for model in models)
    charts = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "Chart" in str(output)
    ]
    assert len(charts) == 3


@pytest.mark.parametrize(
    "arguments", [("--template", "citibike"), ("--csv", str(ROOT / "pipelines" / "forecast" / "sales.csv"))]
)
def test_a_notebook_names_the_columns_of_its_spec(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert init(tmp_path, *arguments).exit_code == 0
    document = json.loads((tmp_path / "explore.ipynb").read_text())
    code = ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]
    for text in code:
        ast.parse(text)
    key = "STATION_ID" if "citibike" in arguments else "SERIES"
    assert f'group_by("{key}")' in "\n".join(code)
    assert len({cell["id"] for cell in document["cells"]}) == len(document["cells"])


def test_a_spec_without_series_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    done = init(tmp_path / "new", "--template", "minimal")
    assert done.exit_code == 2
    assert "forecasts nothing" in done.output
    assert not (tmp_path / "new").exists()
