"""Processes of every kind are killed, and the clock is set: the short versions of benchmarks/process_kills.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it adopts the children of killed processes")


@pytest.mark.parametrize(
    ("kills", "jumps", "kinds"),
    [
        (3, 0, ["holder"]),
        pytest.param(24, 2, [], marks=pytest.mark.slow),
        pytest.param(500, 50, [], marks=pytest.mark.stress),
    ],
)
def test_what_is_killed_leaves_the_tables_whole_and_nothing_else(
    kills: int, jumps: int, kinds: list[str]
) -> None:
    command = [sys.executable, "-W", "ignore", str(ROOT / "benchmarks" / "process_kills.py")]
    command += ["--kills", str(kills), "--jumps", str(jumps), *(["--kinds", *kinds] if kinds else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tables equal, locks free, nothing left behind" in done.stdout
