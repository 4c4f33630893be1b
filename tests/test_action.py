"""The GitHub Action: its scripts run as GitHub runs them, with a recorder where GitHub would be."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
SPEC = str(ROOT / "pipelines" / "minimal.yaml")


def run(name: str, folder: Path, *, base: str = "", **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the script of a step with the environment that its expressions give."""
    step = next(step for step in ACTION["runs"]["steps"] if step.get("name") == name)
    given = {key: value.get("default", "") for key, value in ACTION["inputs"].items()} | inputs
    context = {f"inputs.{key}": value for key, value in given.items()} | {
        "github.repository": "owner/name",
        "github.event.pull_request.number": "12",
        "github.event.pull_request.base.sha": base,
    }
    values = {
        key: re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda match: context[match[1]], text)
        for key, text in step.get("env", {}).items()
    }
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    recorder = tools / "gh"
    recorder.write_text('#!/bin/sh\necho "$GH_REPO" "$@"\n')
    recorder.chmod(recorder.stat().st_mode | stat.S_IXUSR)
    environment = {
        **os.environ,
        **values,
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(folder),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_plan_is_summarized_and_commented(tmp_path: Path) -> None:
    done = run("Plan", tmp_path, spec=SPEC)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "snowpipe-ml-plan.md").read_text()
    assert page == (tmp_path / "summary.md").read_text()
    assert page.startswith(f"### Plan of `{SPEC}`\n\n```\n")
    assert "daily_sales" in page
    done = run("Comment", tmp_path, spec=SPEC)
    assert done.stdout == (
        f"owner/name pr comment 12 --edit-last --create-if-none --body-file {tmp_path}/snowpipe-ml-plan.md\n"
    )


@pytest.mark.parametrize("name", ["Validate", "Plan"])
def test_a_mistake_fails_the_step_and_is_printed(tmp_path: Path, name: str) -> None:
    done = run(name, tmp_path, spec=SPEC, vars="nope=1\n")
    assert done.returncode == 2
    assert "nope" in done.stderr


def test_the_unit_tests_of_the_spec_run(tmp_path: Path) -> None:
    done = run("Test", tmp_path, spec=SPEC)
    assert done.returncode == 0, done.stderr
    assert "<testsuite" in (tmp_path / "snowpipe-ml-tests.xml").read_text()


def test_the_comparison_is_added_to_the_comment(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    shutil.copytree(ROOT / "pipelines" / "minimal", repo / "minimal")
    shutil.copy(SPEC, repo / "minimal.yaml")
    git = ["git", "-C", str(repo), "-c", "user.name=Someone", "-c", "user.email=someone@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "a spec"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    (tmp_path / "snowpipe-ml-plan.md").write_text("a plan\n")
    done = run("Compare", tmp_path, base="HEAD", spec=str(repo / "minimal.yaml"))
    assert done.returncode == 0, done.stderr
    assert "**No step changes.**" in (tmp_path / "summary.md").read_text()
    assert (tmp_path / "snowpipe-ml-plan.md").read_text().startswith("a plan\n### `minimal`: ")


def test_no_expression_stands_in_a_script() -> None:
    """GitHub would paste the text of an input into the script."""
    assert not [step["name"] for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")]
