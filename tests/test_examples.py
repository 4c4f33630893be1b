"""The example package with a custom step type, installed the way a user installs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from tests.conftest import ROOT, write_spec

SPEC = """\
steps:
  orders:
    type: transform
    query: SELECT $1 AS ID, $2 AS CHANGED_AT, $3 AS STATE FROM VALUES (1, 10, 'new'), (1, 20, 'paid'), (2, 5, 'new')
    writes: orders
  newest: {type: deduplicate, from: orders, by: [ID], newest: CHANGED_AT, writes: newest}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the example in it."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
    ]
    copy = tmp_path_factory.mktemp("source") / "package"  # a build leaves files beside the sources
    subprocess.run(["cp", "-r", str(ROOT / "examples" / "deduplicate_step"), str(copy)], check=True)
    subprocess.run([*command, str(folder), str(copy)], check=True)
    return folder


# Runs commands one after another, and prints the output and the errors of each.
COMMANDS = """
import json
import sys
from click.testing import CliRunner
from snowpipe_ml.cli.main import main

for arguments in json.loads(sys.argv[1]):
    done = CliRunner().invoke(main, arguments)
    print(json.dumps([done.stdout, done.stderr]), flush=True)
"""


def commands(site: Path, *several: list[str]) -> list[tuple[str, str]]:
    """The output and the errors of commands in a process that finds the packages of the site.

    It runs in a new process: a forked one has looked for installed packages before.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMMANDS, json.dumps(several)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_an_installed_step_type_is_like_one_of_ours(site: Path, tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(path.read_text().replace("by: [ID]", "by: [ID; DROP]"))
    (steps, _), (ran, said), (rows, _), (plan, _), (_, refused) = commands(
        site,
        ["steps", "deduplicate"],
        ["run", str(path)],
        ["sql", str(path), "SELECT * FROM NEWEST ORDER BY ID", "--format", "csv"],
        ["plan", str(path)],
        ["validate", str(wrong)],
    )
    assert "newest_orders:\n    type: deduplicate" in steps
    assert "2 rows  1 duplicates removed" in ran, said
    assert rows.splitlines() == ["ID,CHANGED_AT,STATE", "1,20,paid", "2,5,new"]
    assert "skip     newest  unchanged" in plan
    assert ":9:" in refused


@pytest.mark.parametrize(
    "model",
    [
        "{type: ensemble, candidates: [{type: lightgbm, rounds: 50}, {type: ridge}]}",
        pytest.param("{type: ensemble}", marks=pytest.mark.stress),
    ],
)
def test_another_domain_needs_only_yaml(tmp_path: Path, model: str) -> None:
    """Run the shop, with fewer candidates than its spec has unless this is the stress test."""
    shutil.copytree(
        ROOT / "examples" / "shop", tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".snowpipe")
    )
    path = tmp_path / "shop.yaml"
    text = path.read_text()
    assert "model: {type: ensemble}\n" in text
    path.write_text(text.replace("model: {type: ensemble}", f"model: {model}"))
    pipeline = Pipeline.from_yaml(path)
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    session = pipeline.session()
    (row,) = session.sql(
        "SELECT COUNT(*), COUNT(DISTINCT ITEM_ID), COUNT_IF(LOW <= PREDICTION AND PREDICTION <= HIGH AND PREDICTION > 0), "
        "MIN(DATE)::VARCHAR, MAX(DATE)::VARCHAR FROM ITEM_FORECASTS WHERE PART = 'forecast'"
    ).collect()
    assert tuple(row) == (112, 8, 112, "2024-12-31", "2025-01-13")
    board = dict(session.sql("SELECT MODEL, RMSE FROM ITEM_LEADERBOARD WHERE FOLD IS NULL").collect())
    session.close()
    assert board["ensemble"] < min(board["seasonal_naive"], board["moving_average"])
