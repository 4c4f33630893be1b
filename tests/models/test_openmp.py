"""LightGBM where the system has no OpenMP library: a stand-in for it looks for the library in the process."""

from __future__ import annotations

import _json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

LIGHTGBM = """
import pathlib
if "torch/lib/libgomp.so.1" not in pathlib.Path("/proc/self/maps").read_text():
    raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")
"""
CODE = "from snowpipe_ml.models.openmp import lightgbm_module; print(lightgbm_module().__name__)"


def imported(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "lightgbm").mkdir()
    (folder / "lightgbm" / "__init__.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_library_of_torch_serves_it(tmp_path: Path) -> None:
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    # Any shared library will do here.
    library = Path(_json.__file__)
    shutil.copy(library, tmp_path / "torch" / "lib" / "libgomp.so.1")
    done = imported(tmp_path, LIGHTGBM)
    assert done.stdout == "lightgbm\n", done.stderr


def test_without_torch_the_error_says_what_to_install(tmp_path: Path) -> None:
    done = imported(tmp_path, LIGHTGBM)
    assert "ImportError: LightGBM needs the system's OpenMP library, libgomp.so.1" in done.stderr
    assert "apt-get install libgomp1" in done.stderr


def test_other_errors_are_passed_on(tmp_path: Path) -> None:
    assert "OSError: disk" in imported(tmp_path, "raise OSError('disk')").stderr
