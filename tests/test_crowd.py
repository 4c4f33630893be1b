"""Many processes use one warehouse at the same time: the short version of benchmarks/crowd.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_nothing_is_lost_between_many_processes() -> None:
    command = [sys.executable, "-W", "ignore", str(ROOT / "benchmarks" / "crowd.py")]
    command += ["--seconds", "5", "--writers", "3", "--readers", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is lost" in done.stdout
