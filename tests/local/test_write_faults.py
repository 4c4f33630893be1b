"""A change of a file that fails: acknowledged statements are kept, failed ones say that they changed nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Of the first part of the workload: the log is synchronized, the log is written, a checkpoint.
SAMPLE = ("EIO:0:13", "ENOSPC:0:14", "torn:0:59")
LIMITS = ("limit:0:2", "limit:0:6")
MEMORY = Path("/dev/shm")  # a disk takes a hundred times as long to synchronize


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the machine has one."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path / "w"
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder) / "w"


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The library that fails the n-th change of a file; None on a machine without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    made = tmp_path_factory.mktemp("shim") / "shim.so"
    source = ROOT / "tests" / "faults" / "shim.c"
    command = [compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(made), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return made


def faults(shim: Path | None, folder: Path, *wanted: str, shares: int = 1) -> list[dict[str, object]]:
    """Run the workload with each failure, in as many processes as there are shares; nothing may be wrong."""
    env = dict(os.environ) | ({"LD_PRELOAD": str(shim)} if shim is not None else {})

    def run(share: int) -> list[dict[str, object]]:
        command = [sys.executable, "-W", "ignore", "-m", "tests.faults.run", str(folder / str(share))]
        command += [f"{share}/{shares}", *wanted]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    with ThreadPoolExecutor(shares) as pool:
        runs = [each for found in pool.map(run, range(1, shares + 1)) for each in found if "n" in each]
    assert [each for each in runs if each["wrong"]] == []
    return runs


def test_a_failed_change_of_a_file_loses_no_acknowledged_statement(
    shim: Path | None, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = SAMPLE + LIMITS[:1] if shim is not None else LIMITS
    runs = faults(shim, place, *wanted)
    assert len(runs) == len(wanted)
    with capsys.disabled():
        way = "a shim before libc" if shim is not None else "RLIMIT_FSIZE, since there is no C compiler"
        print(f"\n{len(runs)} failures by {way}")
    if shim is not None:
        assert all(each["failed"] for each in runs if each["kind"] != "limit")


@pytest.mark.stress
def test_any_failed_change_of_a_file_loses_no_acknowledged_statement(
    shim: Path | None, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ("ENOSPC:all", "EIO:all", "torn:all") if shim is not None else ()
    limits = [f"limit:0:{n}" for n in range(1, 40)]
    runs = faults(shim, place, *wanted, *limits, shares=os.cpu_count() or 1)
    counted = Counter(str(each["kind"]) for each in runs)
    with capsys.disabled():
        print(
            f"\nfailures: {dict(counted)}; acknowledged acts: {sum(int(str(r['acknowledged'])) for r in runs)}"
        )
    assert shim is None or min(counted[kind] for kind in ("ENOSPC", "EIO", "torn")) >= 300
