"""The reference pipeline of change capture: files that arrive one by one, and runs that are killed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import REAL, ROOT
from tests.trips import count


def _captured(*options: str) -> str:
    command = [sys.executable, str(ROOT / "benchmarks" / "captures.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_killed_runs_capture_each_trip_once() -> None:
    trips = sum(map(count, ("2021-01", "2021-02")))
    assert f"TRIPS equal row for row, {trips:,} rows" in _captured("--kills", "2")


@pytest.mark.stress
@pytest.mark.skipif(not REAL.is_dir(), reason="the real archives are not here")
def test_the_real_archives_are_captured_once() -> None:
    told = _captured("--kills", "20", "--archives", str(REAL / "citibike"))
    assert "TRIPS equal row for row, 250,919 rows" in told
