"""Hostile source files are loaded right or refused by name, in bounded memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.conftest import ROOT
from tests.hostile.archives import archives
from tests.hostile.case import MB, Case
from tests.hostile.csvs import csvs

SEED = 22
MOST = 300 * MB  # of memory above that of a process that has loaded a sound file
LONGEST = 10  # seconds of a file
SAMPLE = {
    "sound-bzip2.zip",
    "bomb-bzip2-parts.zip",
    "parts.csv.gz",
    "flags.csv.gz",
    "name00.zip",
    "central-encrypted.zip",
    "end-size-big.zip",
    "garbage-behind.csv.gz",
    "number00.csv",
    "text-broken-utf8.csv",
    "quote-open.csv",
    "header-wide.csv",
}
CASES = {case.name: case for case in (*archives(SEED), *csvs(SEED))}
_LOAD = "import sys; from pathlib import Path; from tests.hostile.load import main; main(Path(sys.argv[1]))"


def faults_of(case: Case, found: dict[str, Any]) -> list[str]:
    """Return what is wrong with what came of a case."""
    told = "\n".join(found["told"])
    rows = {tuple(row) for row in found["rows"]}
    right = {(None if number is None else str(number), text) for number, text in case.rows or ()}
    named = case.name.removesuffix(".gz").removesuffix(".csv") in told
    faults = []
    if case.rows is None:
        right = rows
    if rows - right:
        faults.append(f"rows that the file does not have: {sorted(rows - right, key=str)[:3]}")
    if (rows != right or not found["ok"]) and not named:
        faults.append("not all of its rows were loaded, and it is not named")
    if case.must and (rows != right or named or not found["ok"]):
        faults.append("a sound file is not loaded as a whole")
    if case.name.endswith(".csv") and rows != right and not any(found["lines"]) and ":1" not in told:
        faults.append("no line is named")
    if case.lost and not any(found["lines"]):
        faults.append("the line of a lost record is not named")
    if isinstance(case.content, bytes) and case.name.endswith(".csv"):
        last = case.content.count(b"\n") + case.content.count(b"\r") + 1
        if any(line is not None and not 0 < line <= last for line in found["lines"]):
            faults.append("a line is named that the file does not have")
    if "Traceback" in told:
        faults.append("a traceback is shown")
    return faults


def loaded(folder: Path, cases: list[Case]) -> tuple[dict[str, list[str]], dict[str, float], int]:
    """Load cases in a separate process; return their faults and seconds, and the memory that it took."""
    files = folder / "files"
    for case in cases:
        (files / case.name).mkdir(parents=True)
        case.write(files / case.name)
    ended = forked.python(_LOAD, files, cwd=folder, site=ROOT)
    assert ended.returncode == 0, ended.stderr[-3000:]
    *lines, last = map(json.loads, ended.stdout.splitlines())
    assert not last["trace"], last["trace"]
    assert len(lines) == len(cases)
    found = {line["name"]: line for line in lines}
    faults = {name: wrong for name in found if (wrong := faults_of(CASES[name], found[name]))}
    return faults, {name: line["seconds"] for name, line in found.items()}, last["grown"]


def test_a_sample_of_hostile_files(tmp_path: Path) -> None:
    faults, _, grown = loaded(tmp_path, [CASES[name] for name in sorted(SAMPLE)])
    assert faults == {}
    if sys.platform == "linux":
        assert grown < MOST


@pytest.mark.stress
@pytest.mark.parametrize("kind", ["archives", "csvs"])
def test_all_hostile_files(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    cases = {"archives": archives, "csvs": csvs}[kind](SEED)
    assert len({case.name for case in cases}) == len(cases) >= 100
    faults, seconds, grown = loaded(tmp_path, cases)
    slow = sorted(seconds, key=lambda name: -seconds[name])[:3]
    with capsys.disabled():
        print(
            f"\n{len(cases)} hostile {kind}: {len(faults)} faults, peak {grown / MB:.0f} MB above the base, slowest "
            + ", ".join(f"{name} {seconds[name]:.1f} s" for name in slow)
        )
    assert faults == {}
    assert max(seconds.values()) < LONGEST
    assert grown < MOST
