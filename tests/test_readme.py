"""What the README tells people to type is typed here."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from snowpipe_ml.cli import main
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.S)
COMMANDS = [
    line
    for language, block in BLOCKS
    if language == "sh"
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip()
]
OFFLINE = [line for line in COMMANDS if line.startswith("snowpipe-ml ") and " run " not in line]


@pytest.mark.parametrize("line", OFFLINE)
def test_commands(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output


def test_the_other_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for line in set(COMMANDS) - set(OFFLINE):
        words = shlex.split(line)
        assert words[0] in ("make", "snowpipe-ml")
        if words[0] == "make":
            assert words[1] in targets
        else:
            # The pipeline itself is run by test_citibike; the options are those of the command.
            names = {name for parameter in main.commands["run"].params for name in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= names


@pytest.mark.parametrize("code", [block for language, block in BLOCKS if language == "python"])
def test_python_examples(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_mistakes_it_shows_are_shown_so(tmp_path: Path) -> None:
    from tests.spec.test_loader import FIVE

    path = tmp_path / "pipeline.yaml"
    path.write_text("name: demo\ntargets:\n  local: {type: local, path: warehouse, database: DEMO}\n" + FIVE)
    shown = CliRunner().invoke(main, ["validate", str(path)]).stderr.replace(str(path), "pipeline.yaml")
    (example,) = [block for language, block in BLOCKS if language == "" and "did you mean" in block]
    assert shown.startswith(example)


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page}: {link}"
