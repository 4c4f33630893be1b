"""The example package with a custom step type, installed the way a user installs it."""

from __future__ import annotations

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


def command(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A process of its own: a forked one has looked for installed packages before.
    return subprocess.run(
        [sys.executable, "-m", "snowpipe_ml", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_installed_step_type_is_like_one_of_ours(site: Path, tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC)
    assert "newest_orders:\n    type: deduplicate" in command(site, "steps", "deduplicate").stdout
    run = command(site, "run", str(path))
    assert "2 rows  1 duplicates left out" in run.stdout, run.stderr
    rows = command(site, "sql", str(path), "SELECT * FROM NEWEST ORDER BY ID", "--format", "csv").stdout
    assert rows.splitlines() == ["ID,CHANGED_AT,STATE", "1,20,paid", "2,5,new"]
    assert "skip     newest  unchanged" in command(site, "plan", str(path)).stdout
    path.write_text(path.read_text().replace("by: [ID]", "by: [ID; DROP]"))
    assert ":9:" in command(site, "validate", str(path)).stderr


def test_another_domain_needs_only_yaml(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "examples" / "shop", tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".snowpipe")
    )
    pipeline = Pipeline.from_yaml(tmp_path / "shop.yaml")
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
    assert board["best_of"] < min(board["seasonal_naive"], board["moving_average"])
