"""The release workflow: its scripts run as GitHub runs them, on a changelog of a version."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from snowpipe_ml import __version__
from tests.conftest import ROOT

WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def run(job: str, name: str, folder: Path, tag: str) -> subprocess.CompletedProcess[str]:
    step = next(step for step in WORKFLOW["jobs"][job]["steps"] if step.get("name") == name)
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(
        command,
        env={**os.environ, "GITHUB_REF_NAME": tag},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_section_of_the_changelog_is_that_of_the_version() -> None:
    assert re.findall(r"^## (.*)$", CHANGELOG, re.M)[0].split(" - ")[0] == __version__


@pytest.mark.parametrize(
    ("tag", "released"), [(f"v{__version__}", True), (f"v{__version__}", False), ("v9.9.9", True)]
)
def test_the_notes_are_the_section_of_the_version(tag: str, released: bool, tmp_path: Path) -> None:
    dated = f"## {__version__} - 2026-12-01\n\nAll of it.\n\n## 0.1.0 - 2026-01-01\n\nOlder.\n"
    text = dated if released else dated.replace("2026-12-01", "unreleased")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{text}")
    done = run("build", "Write the notes", tmp_path, tag)
    if released and tag == f"v{__version__}":
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "notes.md").read_text() == "\nAll of it.\n\n"
    else:
        assert done.returncode == 1


def test_a_tag_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / f"snowpipe_ml-{__version__}.tar.gz").touch()
    name = "Check that the tag names the version"
    assert run("build", name, tmp_path, f"v{__version__}").returncode == 0
    assert run("build", name, tmp_path, "v9.9.9").returncode == 1


def test_each_supported_python_is_in_the_workflows() -> None:
    text = (ROOT / "setup.cfg").read_text()
    supported = re.findall(r"Programming Language :: Python :: (3\.\d+)", text)
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    for job in (WORKFLOW["jobs"]["try"], ci["jobs"]["check-and-test"]):
        assert job["strategy"]["matrix"]["python"] == supported
