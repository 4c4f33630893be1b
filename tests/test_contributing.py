"""What CONTRIBUTING.md and the architecture name exists, and the files of the repository's automation are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

PAGES = ("CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md")
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
AUTOMATION = (
    *sorted((ROOT / ".github").rglob("*.yml")),
    ROOT / ".pre-commit-config.yaml",
    ROOT / "action.yml",
)
_PATH = re.compile(
    r"(?:\.ci|\.github|benchmarks|docs|examples|pipelines|schemas|snowpipe_ml|tests)/[\w./<>-]*"
    r"|(?:CHANGELOG|CONTRIBUTING|README|SECURITY)\.md|Makefile|pyproject\.toml|setup\.cfg"
)


def code_spans(text: str) -> list[str]:
    """The texts in backticks, without those of code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page: str) -> None:
    paths = [span for span in code_spans((ROOT / page).read_text()) if _PATH.fullmatch(span)]
    # <name> stands for a name that a contributor chooses.
    missing = [path for path in paths if "<" not in path and not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / link).exists(), link


def test_modules_are_in_the_folders_that_the_architecture_says() -> None:
    missing = []
    for row in re.findall(r"^\|.*\|$", ARCHITECTURE, re.M):
        spans = code_spans(row)
        folders = [span for span in spans if span.endswith("/") and _PATH.fullmatch(span)]
        modules = [span for span in spans if re.fullmatch(r"\w+\.py", span)]
        missing += [name for name in modules if not (ROOT / folders[0] / name).is_file()]
    assert missing == []


def test_the_architecture_describes_all_folders() -> None:
    package = ROOT / "snowpipe_ml"
    modules = [*package.glob("*/__init__.py"), *package.glob("*/*/__init__.py")]
    folders = {f"{path.parent.relative_to(ROOT)}/" for path in modules}
    spans = code_spans(ARCHITECTURE)
    # A folder that holds only other folders is described by them.
    assert {folder for folder in folders if not any(span.startswith(folder) for span in spans)} == set()


def test_commands_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {m[1] for page in PAGES for m in re.finditer(r"`make ([a-z-]+)`", (ROOT / page).read_text())}
    assert named
    assert named <= targets


@pytest.mark.parametrize("path", AUTOMATION, ids=lambda path: path.name)
def test_automation_is_yaml(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_pre_commit_runs_what_make_check_runs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
    assert recipe is not None
    assert hooks == [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
