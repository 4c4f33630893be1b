"""Temporary folders: private, removed at the end, and swept by a later process after a kill."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import snowpipe_ml
from snowpipe_ml import temporary
from snowpipe_ml.temporary import TemporaryFolder

PACKAGE = Path(snowpipe_ml.__file__).parent
# Where tempfile is used: functions in a worker, whose own temporary folder is removed with it; a procedure on an account;
# and folders within one that is swept by itself.
_MAY_USE_TEMPFILE = {
    "temporary.py",
    "engine/export/handler.py",
    "local/catalog/stages.py",
    "local/core/macros/__init__.py",
    "local/files/line_ends.py",
    "local/python/forkserver.py",
    "local/python/worker.py",
    "models/tabular/automl.py",
    "models/wheels.py",
    "steps/data/archives.py",
}


@pytest.fixture(autouse=True)
def _unswept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "_swept", set())


def _holder(folder: Path, code: str = "sys.stdin.read()") -> subprocess.Popen[str]:
    """Start a process that has a temporary folder with a file, and wait until it has it."""
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom snowpipe_ml.temporary import TemporaryFolder\n"
        f"held = TemporaryFolder('kept', Path({str(folder)!r}))\n"
        f"(held.path / 'file').write_text('x')\nprint(held.path, flush=True)\n{code}\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _said(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_a_folder_is_private_and_is_removed(tmp_path: Path) -> None:
    with TemporaryFolder("put", tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith("snowpipe-ml-put-")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "file").write_text("x")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_closed_is_removed_at_the_exit(tmp_path: Path) -> None:
    process = _holder(tmp_path)
    assert (_said(process) / "file").exists()
    process.communicate("")
    assert process.returncode == 0
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_killed_process_is_swept_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    killed, living = _holder(tmp_path), _holder(tmp_path)
    left, kept = _said(killed), _said(living)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert left.exists()
    with TemporaryFolder("put", tmp_path) as folder:
        assert set(tmp_path.iterdir()) == {kept, folder}
    living.communicate("")
    assert not list(tmp_path.iterdir())


def test_a_forked_child_does_not_remove_the_folder_of_its_parent(tmp_path: Path) -> None:
    code = "pid = os.fork()\nif not pid: sys.exit(0)\nos.waitpid(pid, 0)\nprint((held.path / 'file').exists(), flush=True)"
    process = _holder(tmp_path, code)
    said, _ = process.communicate("")
    assert said.splitlines()[1] == "True"
    assert not list(tmp_path.iterdir())


def test_links_and_other_names_are_left_alone(tmp_path: Path) -> None:
    elsewhere, within = tmp_path / "elsewhere", tmp_path / "within"
    elsewhere.mkdir()
    within.mkdir()
    (within / "snowpipe-ml-link").symlink_to(elsewhere)
    (within / "snowpipe-other").mkdir()
    (within / "snowpipe-ml-file").write_text("x")
    TemporaryFolder("put", within).remove()
    assert {path.name for path in within.iterdir()} == {
        "snowpipe-ml-link",
        "snowpipe-other",
        "snowpipe-ml-file",
    }
    assert elsewhere.exists()


def test_all_other_temporary_folders_of_the_package_are_of_this_kind() -> None:
    """A folder made by tempfile stays for good if its process is killed."""
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^\s*(import tempfile|from tempfile)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert users == _MAY_USE_TEMPFILE
