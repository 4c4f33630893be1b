"""The built wheel: what it holds, and each template from it, where the checkout cannot be seen."""

from __future__ import annotations

import os
import subprocess
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
import snowflake.snowpark

from snowpipe_ml.cli.authoring import _TEMPLATES
from tests.conftest import ROOT

pytestmark = pytest.mark.integrations

FILES = [
    line for line in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines() if line
]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def checked(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, of the files that git has."""
    folder = tmp_path_factory.mktemp("built")
    checkout = folder / "checkout"
    checked("git", "clone", "--quiet", ROOT, checkout, cwd=folder)
    venv.create(folder / "tools", with_pip=True)
    checked(folder / "tools" / "bin" / "pip", "install", "--quiet", "build", cwd=folder)
    checked(
        folder / "tools" / "bin" / "python", "-m", "build", "--outdir", folder / "dist", checkout, cwd=folder
    )
    return folder / "dist"


@pytest.fixture(scope="module")
def command(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment with the wheel. Its other packages are those of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    (wheel,) = built.glob("*.whl")
    checked(folder / "bin" / "pip", "install", "--quiet", "--no-deps", wheel, cwd=folder)
    (packages,) = (folder / "lib").glob("*/site-packages")
    # A path here, unlike a site directory, does not bring the editable checkout with it.
    (packages / "of_the_tests.pth").write_text(f"{Path(snowflake.snowpark.__file__).parents[2]}\n")
    where = checked(
        folder / "bin" / "python", "-c", "import snowpipe_ml; print(snowpipe_ml.__file__)", cwd=folder
    )
    assert Path(where.strip()).is_relative_to(packages)
    return folder / "bin" / "snowpipe-ml"


def test_the_wheel_holds_every_file_of_the_package(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    held = set(ZipFile(wheel).namelist())
    tracked = {name for name in FILES if name.startswith("snowpipe_ml/") and not (ROOT / name).is_symlink()}
    shipped = {f"snowpipe_ml/{name}" for name in FILES if name.startswith("pipelines/")}
    pages = {name for name in FILES if name.startswith(("docs/how-to/", "docs/tutorials/"))}
    assert {f"snowpipe_ml/pages/{name.removeprefix('docs/')}" for name in pages} <= held
    assert {name for name in tracked | shipped if Path(name).name[0] != "."} <= held
    assert not [name for name in held if name.startswith("tests/")]


def test_the_sdist_holds_the_wheel(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name} <= inside


@pytest.mark.parametrize("template", _TEMPLATES)
def test_a_template_runs_from_the_wheel(command: Path, template: str, tmp_path: Path) -> None:
    checked(command, "init", "mine", "--template", template, cwd=tmp_path)
    specs = [
        path
        for path in (tmp_path / "mine").glob("*.yaml")
        if not path.name.endswith((".tests.yaml", ".lock.yaml"))
    ]
    if not specs:
        done = checked(
            command.with_name("python"),
            "-m",
            "pytest",
            "-q",
            "mine",
            cwd=tmp_path,
        )
        assert " passed" in done
        return
    (spec,) = specs
    checked(command, "run", spec, cwd=tmp_path)
    assert "to run" in checked(command, "plan", spec, cwd=tmp_path)
    if spec.with_suffix(".tests.yaml").exists():
        assert " passed" in checked(command, "test", spec, cwd=tmp_path)


def test_a_forecast_of_an_own_file_takes_one_command(command: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes((ROOT / "pipelines" / "forecast" / "sales.csv").read_bytes())
    assert "series: store" in checked(command, "init", "mine", "--csv", "own.csv", "--run", cwd=tmp_path)
    query = "SELECT COUNT(DISTINCT SERIES) AS N FROM FORECAST"
    assert checked(command, "sql", "mine/forecast.yaml", query, "--format", "csv", cwd=tmp_path) == "N\n4\n"
