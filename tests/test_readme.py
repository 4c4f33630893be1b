"""The commands and excerpts in the README and the documentation are valid."""

from __future__ import annotations

import re
import shlex
import shutil
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
from tests import forked
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.S)
# The pages whose commands a reader runs from top to bottom.
STEP_BY_STEP = (
    ROOT / "README.md",
    *(ROOT / "docs" / "tutorials").glob("*.md"),
    *(ROOT / "docs" / "how-to").glob("*.md"),
)


def commands(page: Path) -> list[list[str]]:
    """The words of each command in a page."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def runs_here(words: list[str]) -> bool:
    """Whether a command needs no account and no index of packages, and takes no time."""
    name, offline = words[1], "--offline" in words
    return (
        (name == "init" and "--run" not in words)
        or name in ("validate", "graph", "steps")
        or offline
        or (name == "packages" and "--check" not in words)
    )


@pytest.mark.parametrize("page", STEP_BY_STEP, ids=lambda page: page.name)
def test_commands(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pipelines").symlink_to(ROOT / "pipelines")
    Path("sales.csv").symlink_to(ROOT / "pipelines" / "forecast" / "sales.csv")
    if page.name == "account.md":  # which goes on with the pipeline of the first tutorial
        CliRunner().invoke(main, ["init", "mine", "--csv", "sales.csv"])
    for words in commands(page):
        if words[0] == "snowpipe-ml" and runs_here(words):
            result = CliRunner().invoke(main, words[1:])
            assert result.exit_code == 0, f"{words}: {result.output}"
        elif words[0] == "snowpipe-ml":
            # Other tests run pipelines and their tests; here only the options are checked.
            command = main.get_command(click.Context(main), words[1])
            assert command is not None
            names = {name for parameter in command.params for name in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= names, words
        else:
            assert words[:2] == ["pip", "install"], words


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z-]+)`", README)) <= targets


HOW_TO = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "how-to" / "debugging.md").read_text(), re.S)


@pytest.mark.parametrize("code", [*(block for language, block in BLOCKS if language == "python"), *HOW_TO])
def test_python_examples(code: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns(".snowpipe"))
    done = forked.python(code, cwd=tmp_path, timeout=300)
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
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
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
    # A key may not be given twice: an excerpt with variables has its own.
    head = HEAD.replace("vars: {nightly: true}\n", "") if "vars" in given else HEAD
    path.write_text(head + text)
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


def test_the_packages_of_autogluon_are_those_that_the_pipeline_is_locked_with() -> None:
    shown, locked = (
        re.search(r"  automl: \[(.*?)\]", (ROOT / file).read_text(), re.S)
        for file in ("docs/packages-and-models.md", "pipelines/insurance_autogluon.yaml")
    )
    assert shown is not None
    assert locked is not None
    assert shown[1].split() == locked[1].split()


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page}: {link}"


def test_the_figures_are_those_of_the_benchmarks() -> None:
    benchmarks = (ROOT / "docs" / "benchmarks.md").read_text()
    total = re.search(r"\| total \| (\d+) \| (\d+) \| (\d+) \|.*\n\nThe figures are of", benchmarks)
    assert total is not None
    words = " ".join(README.split())
    assert f"{total[1]} of {total[2]} tests in 17 files" in words
    assert f"(Snowpark's local testing mode: {total[3]})" in words
    seconds = re.search(r"\| total \| (\d+) \| \d+ \|\n\nThe benchmark trains", benchmarks)
    assert seconds is not None
    assert f"about {seconds[1]} seconds on two cores" in words


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/site.py"])
def test_the_front_pages_say_what_did_not_run_and_what_it_is_not(page: str) -> None:
    words = " ".join((ROOT / page).read_text().split())
    assert "No pipeline has run on a Snowflake account yet" in words
    assert "This is not Snowpipe, Snowflake's service that loads files." in words


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 120
