"""The reference pipeline of change capture: files that arrive one by one, and runs that are killed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from tests.conftest import REAL, ROOT
from tests.trips import count, write_months


def _captured(*options: str) -> str:
    command = [sys.executable, str(ROOT / "benchmarks" / "captures.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_killed_runs_capture_each_trip_once() -> None:
    trips = sum(map(count, ("2021-01", "2021-02")))
    assert f"TRIPS equal row for row, {trips:,} rows" in _captured("--kills", "2")


@pytest.mark.slow
def test_the_whole_pipeline_takes_what_is_new(tmp_path: Path) -> None:
    landed = tmp_path / "landed"
    shutil.copytree(ROOT / "pipelines" / "citibike", tmp_path / "citibike")
    spec = Path(shutil.copy(ROOT / "pipelines" / "citibike_cdc.yaml", tmp_path))
    settings = {"source": str(landed), "min_history_days": 20, "lags": [1], "horizon_days": 3}
    pipeline = Pipeline.from_yaml(spec, vars=settings)
    with pipeline.session() as session:
        for months in (["2021-01", "2021-02"], ["2021-03"]):
            write_months(landed, months)
            result = pipeline.run(session=session)
            assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
            forecasts = session.sql("SELECT MIN(DATE), COUNT(*) FROM FUTURE_FEATURES").collect()
        old, new = (result.steps[name] for name in ("merge_old_trips", "merge_new_trips"))
        assert (old.message, new.message) == ("no changes", f"{count('2021-03')} inserted")
        assert [tuple(row) for row in forecasts] == [(date(2021, 4, 1), 9)]
        rows = session.sql(
            "SELECT COUNT(*), COUNT(DISTINCT STATION_ID) FROM FORECASTS WHERE DATE > '2021-03-31'"
        )
        assert [tuple(row) for row in rows.collect()] == [(9, 3)]
        assert session.table("TRIPS").count() == sum(map(count, ("2021-01", "2021-02", "2021-03")))


@pytest.mark.stress
@pytest.mark.skipif(not REAL.is_dir(), reason="the real archives are not here")
def test_the_real_archives_are_captured_once() -> None:
    told = _captured("--kills", "20", "--archives", str(REAL / "citibike"))
    assert "TRIPS equal row for row, 250,919 rows" in told
