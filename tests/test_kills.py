"""The short version of ``benchmarks/kills.py``: killed and resumed, the reference pipeline's tables are the same."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def test_ten_kills_leave_the_tables_as_if_there_had_been_none() -> None:
    # A process of its own: it forks, and must have no threads.
    command = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 kills of " in done.stdout
