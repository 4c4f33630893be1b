"""The reference pipeline gives the same tables from the command line, as a task graph, and in the orchestrators."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.export.deployment import deploy
from snowpipe_ml.engine.export.graph import draw
from tests import forked
from tests.conftest import CITIBIKE, ROOT, ask
from tests.integrations.orders import DATE, environment
from tests.integrations.test_airflow import airflow
from tests.integrations.test_dagster import dagster
from tests.integrations.test_prefect import prefect
from tests.trips import write_months, write_weather

pytestmark = pytest.mark.integrations
Tables = dict[str, list[tuple[object, ...]]]

TABLES = (
    *(
        "RAW_TRIPS_OLD",
        "RAW_TRIPS_NEW",
        "STATION_NAMES",
        "TRIPS",
        "UNREADABLE_TRIPS",
        "COVERED_DAYS",
        "HOLIDAYS",
    ),
    *(
        "FEATURES",
        "FUTURE_FEATURES",
        "METRICS",
        "LEADERBOARD",
        "FLAT_FORECAST",
        "FLAT_PREDICTIONS",
        "FLAT_METRICS",
    ),
)
# The plots that the orchestrators show. The report has the forecasts of the largest series by itself, and a
# seasonal naive forecast has no feature importance.
PICTURES = {"errors", "leaderboard"}
OF_THE_RUN = {"RUN_ID", "MODEL_ID", "SECONDS", "FIT_SECONDS"}
# What is small enough for a test and needs only packages of every environment.
SMALL = {
    "source: sample": "source: months",
    "weather: sample": "weather: weather.csv",
    "lags: [1, 7, 90, 365]": "lags: [1, 7]",
    "min_history_days: 120": "min_history_days: 40",
    "horizon_days: 14": "horizon_days: 5",
    "model: ensemble": "model: seasonal_naive",
    "[numpy, pandas, pytorch, lightgbm, statsforecast]": "[numpy, pandas]",
}


def small_citibike(folder: Path) -> Path:
    """Write the reference pipeline with small archives next to it."""
    folder.mkdir()
    (folder / "failures").mkdir()
    shutil.copytree(ROOT / "pipelines" / "citibike", folder / "citibike")
    text = CITIBIKE.read_text()
    for old, new in SMALL.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    (folder / "citibike.yaml").write_text(text)
    write_months(folder / "months", ["2020-12", "2021-01", "2021-02", "2021-03"])
    write_weather(folder / "weather.csv")
    return folder / "citibike.yaml"


def left_by(spec: Path) -> Tables:
    """Return the tables of one run that succeeded, without what differs from run to run."""
    pipeline = Pipeline.from_yaml(spec)
    session = pipeline.session()
    try:
        assert ask(pipeline, "SELECT STATUS, COUNT(*) FROM SNOWPIPE_ML.RUNS GROUP BY 1") == [("success", 1)]
        assert ask(pipeline, "SELECT DISTINCT STATUS FROM SNOWPIPE_ML.STEP_RUNS") == [("success",)]
        found: Tables = {}
        for name in TABLES:
            frame = session.table(name)
            columns = [column for column in frame.columns if column.strip('"') not in OF_THE_RUN]
            found[name] = sorted(
                (tuple(map(_rounded, row)) for row in frame.select(columns).collect()), key=repr
            )
            assert found[name] or name == "UNREADABLE_TRIPS"
        return found
    finally:
        session.close()


def _rounded(value: object) -> object:
    return round(float(value), 9) if isinstance(value, float | Decimal) else value


def check_pictures(pictures: dict[str, list[str]]) -> None:
    assert set(pictures) == PICTURES
    assert all(any("naive" in text for text in texts) for texts in pictures.values()), pictures


@pytest.fixture(scope="module")
def by_command(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    spec = small_citibike(tmp_path_factory.mktemp("command") / "citibike")
    done = forked.command("run", spec, "--run-date", DATE, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return left_by(spec)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return small_citibike(tmp_path / "citibike")


def test_as_a_task_graph(spec: Path, by_command: Tables) -> None:
    pipeline = Pipeline.from_yaml(spec)
    session = pipeline.session()
    try:
        deploy(draw(pipeline))
        ask(pipeline, f"""EXECUTE TASK CITIBIKE USING CONFIG = '{{"run_date": "{DATE}"}}'""")
        failed = ask(
            pipeline,
            "SELECT NAME, ERROR_MESSAGE FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(ERROR_ONLY => TRUE))",
        )
        assert failed == []
    finally:
        session.close()
    assert left_by(spec) == by_command


def test_in_dagster(spec: Path, by_command: Tables) -> None:
    (result,) = dagster(spec, "once")
    assert result["ok"]
    assert result["checks"]["trips_are_readable"] == [True, "WARN"]
    check_pictures(result["assets"]["plots"]["pictures"])
    assert "CREATE OR REPLACE TABLE" in result["sql"]["trips"]
    assert left_by(spec) == by_command


def test_in_prefect(spec: Path, by_command: Tables, tmp_path: Path) -> None:
    shown = prefect(spec, tmp_path / "prefect")
    assert shown["state"] == "Completed"
    check_pictures(shown["pictures"])
    assert left_by(spec) == by_command


def test_in_airflow(spec: Path, by_command: Tables, tmp_path: Path) -> None:
    (run,) = airflow(spec, tmp_path / "airflow", DATE)
    assert run["state"] == "success"
    assert {state for state, _ in run["tasks"].values()} == {"success"}
    assert environment(spec)["ORDERS_FAILURES"]
    assert left_by(spec) == by_command
