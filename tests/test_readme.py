"""The commands and excerpts in the README and the documentation are valid."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.errors import SpecError
from snowpipe_ml.spec.models import Pipeline as Model
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
            # test_citibike runs the pipeline; here only the options are checked.
            run = main.get_command(click.Context(main), "run")
            assert run is not None
            names = {name for parameter in run.params for name in parameter.opts}
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


HEAD = (
    "name: demo\ntargets:\n  local: {type: local, path: warehouse, database: DEMO}\nvars: {nightly: true}\n"
)
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
SPECS = [
    (f"{page.name}:{page.read_text()[: match.start()].count(chr(10)) + 1}", match[1])
    for page in PAGES
    if page.name != "reference.md"  # which is generated
    for match in re.finditer(r"```yaml\n(.*?)```", page.read_text(), re.S)
]
# Messages about objects that an excerpt refers to but does not show.
_ELSEWHERE = re.compile(
    r"unknown (table|function)|is not declared|must be written by|no list|no such file|cannot read"
)


def problems_of(path: Path, text: str) -> list[str]:
    """The errors in an excerpt of a spec or of its steps, except for references that it does not show."""
    given = set(yaml.safe_load(text))
    if not given <= set(Model.model_fields) | {"steps"}:
        text = "steps:\n" + textwrap.indent(text, "  ")
    elif "steps" not in given:
        text += "steps: {one: {type: transform, query: SELECT 1 AS X, writes: one}}\n"
    path.write_text(HEAD + text)
    try:
        Pipeline.from_yaml(path).validate()
    except SpecError as error:
        return [str(problem) for problem in error.problems if not _ELSEWHERE.search(problem.message)]
    return []


@pytest.mark.parametrize(("place", "text"), SPECS, ids=[place for place, _ in SPECS])
def test_the_excerpts_of_specs_are_right(tmp_path: Path, place: str, text: str) -> None:
    assert problems_of(tmp_path / "spec.yaml", text) == []


def test_a_wrong_excerpt_would_be_found(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "spec.yaml", "load:\n  type: transform\n  qurey: SELECT 1\n  writes: t\n")


@pytest.mark.parametrize("page", ["README.md", "docs/packages-and-models.md"])
def test_the_packages_of_autogluon_are_those_that_the_pipeline_is_locked_with(page: str) -> None:
    shown, locked = (
        re.search(r"  automl: \[(.*?)\]", (ROOT / file).read_text(), re.S)
        for file in (page, "pipelines/insurance_autogluon.yaml")
    )
    assert shown is not None
    assert locked is not None
    assert shown[1].split() == locked[1].split()


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page}: {link}"
