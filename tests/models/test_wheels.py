"""The loader of wheels, as it runs inside a function."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.models import wheels
from snowpipe_ml.packages.wheels import sha256_of
from tests.wheels import make_wheel


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An import folder with wheels, and a separate temporary folder."""
    monkeypatch.setitem(sys._xoptions, "snowflake_import_directory", f"{tmp_path}/imports/")
    monkeypatch.setattr(wheels.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "tmp").mkdir()

    def write(*paths: Path, **changed: str) -> None:
        entries = [{"file": p.name, "sha256": changed.get("sha256") or sha256_of(p)} for p in paths]
        (tmp_path / "imports" / "wheels.json").write_text(json.dumps(entries))

    return write


def _forget(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_namespace_over_several_wheels(tmp_path: Path, stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make_wheel(tmp_path / "imports", "acmens.one", files={"acmens/one/__init__.py": "X = 1\n"})
    two = make_wheel(
        tmp_path / "imports",
        "acmens.two",
        files={"acmens/two/__init__.py": "from acmens.one import X\nY = X + 1\n"},
    )
    stage(one, two)
    _forget(monkeypatch, "acmens", "acmens.one", "acmens.two")
    wheels.add_wheels()
    from acmens.two import Y

    assert Y == 2
    before = list(sys.path)
    wheels.add_wheels()
    assert sys.path == before


def test_nothing_of_an_older_version_is_left(tmp_path: Path, stage: Any) -> None:
    stage(
        make_wheel(tmp_path / "imports", "acmeold", "1.0", files={"acmeold/a.py": "", "acmeold/gone.py": ""})
    )
    wheels.add_wheels()
    stage(make_wheel(tmp_path / "imports", "acmeold", "2.0", files={"acmeold/a.py": ""}))
    wheels.add_wheels()
    assert sorted(p.name for p in (Path(sys.path[0]) / "acmeold").iterdir()) == ["a.py"]


def test_what_is_not_as_it_was_staged_is_refused(tmp_path: Path, stage: Any) -> None:
    path = make_wheel(tmp_path / "imports", "acmebad")
    stage(path, sha256="0" * 64)
    with pytest.raises(ValueError, match="is not the wheel that was staged"):
        wheels.add_wheels()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../escaped.py", "")
    stage(path)
    with pytest.raises(ValueError, match="must not be extracted"):
        wheels.add_wheels()
    stage(tmp_path / "imports" / "wheels.json")
    (tmp_path / "imports" / "wheels.json").write_text('[{"file": "gone.whl", "sha256": "0"}]')
    with pytest.raises(ValueError, match="is not among the function's imports"):
        wheels.add_wheels()
    assert not [
        p for p in (tmp_path / "tmp" / f"snowpipe_ml_{os.getuid()}" / "wheels").iterdir() if p.is_dir()
    ]
    assert not (tmp_path / "tmp" / "escaped.py").exists()


def test_many_processes_extract_once(tmp_path: Path, stage: Any) -> None:
    files = {f"acmemany/m{i}.py": f"X = {i}\n" for i in range(300)}
    stage(make_wheel(tmp_path / "imports", "acmemany", files={"acmemany/__init__.py": "", **files}))
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[2]; sys._xoptions['snowflake_import_directory'] = sys.argv[1]\n"
        "from snowpipe_ml.models.wheels import add_wheels; add_wheels()\n"
        "import acmemany.m299; print(acmemany.m299.X, sys.path[0])"
    )
    command = [sys.executable, "-c", code, f"{tmp_path}/imports/", str(tmp_path / "tmp")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = {process.communicate()[0].strip() for process in running}
    assert len(said) == 1
    assert said.pop().startswith("299 ")
    assert (
        len([p for p in (tmp_path / "tmp" / f"snowpipe_ml_{os.getuid()}" / "wheels").iterdir() if p.is_dir()])
        == 1
    )


def test_a_folder_that_others_may_write_to_is_not_trusted(tmp_path: Path, stage: Any) -> None:
    stage(make_wheel(tmp_path / "imports", "acmetrust"))
    base = tmp_path / "tmp" / f"snowpipe_ml_{os.getuid()}"
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(ValueError, match="cannot be trusted"):
        wheels.add_wheels()
