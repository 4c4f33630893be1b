"""Processes that are killed during a run leave no inconsistent tables."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(
    "kills", [pytest.param(3, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.stress)]
)
def test_kills_leave_the_tables_as_if_there_had_been_none(kills: int) -> None:
    # The script forks, so it runs in a separate process without threads.
    command = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills", str(kills)]
    if kills == 3:
        # Without slow steps that no other step reads, and with a model whose workers need not import PyTorch.
        command += ["--without", "plots", "watch_forecasts", "leaderboard", "--model", "ridge"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kills} kills of " in done.stdout
