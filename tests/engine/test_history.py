"""The commands for past runs: runs, logs, diff and lineage."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.run import new_run
from snowpipe_ml.errors import UsageError
from tests.conftest import write_spec
from tests.test_cli import invoke

SPEC = """\
vars: {rows: 10}
steps:
  base: {type: transform, query: "SELECT SEQ4() AS ID FROM TABLE(GENERATOR(ROWCOUNT => {{ vars.rows | literal }}))", writes: base}
  twice: {type: transform, query: "SELECT ID * 2 AS ID FROM {{ ref('base') }}", writes: twice}
  scored: {type: evaluate, predictions: twice, actual: ID, prediction: ID, writes: scores}
  apart: {type: transform, query: SELECT 2 AS X, writes: apart}
"""


@pytest.fixture(scope="module")
def ran_twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec that was run, changed and run again; tests only read its records."""
    folder = tmp_path_factory.mktemp("twice")
    path = write_spec(folder, SPEC)
    assert Pipeline.from_yaml(path).run().ok
    write_spec(folder, SPEC.replace("rows: 10", "rows: 12"))
    assert Pipeline.from_yaml(path).run().ok
    return path


@pytest.fixture
def path(ran_twice: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(ran_twice.parent, tmp_path / "copy")) / ran_twice.name


def test_runs_of_the_same_second_are_in_order() -> None:
    runs = []
    for _ in range(20):
        runs.append(new_run())
        time.sleep(0.002)
    assert [run.id for run in runs] == sorted(run.id for run in runs)
    assert len({run.model_id for run in runs}) == len(runs)


def test_runs_and_steps(path: Path) -> None:
    with Pipeline.from_yaml(path).history() as history:
        after, before = history.runs()
        assert (before.status, before.steps) == ("success", {"success": 4})
        assert after.steps == {"success": 3, "reused": 1}
        assert [run.id for run in history.runs(limit=1)] == [after.id]
        (record,) = history.steps(before.id, "twice")
        assert (record.rows, record.status) == (10, "success")
        assert [str(r.name) for r in record.versions("inputs")] == ["BASE"]
        assert {r.step for r in history.steps()} == {"base", "twice", "scored", "apart"}
        with pytest.raises(UsageError, match="no step 'twic' in the run .*did you mean 'twice'"):
            history.steps(before.id, "twic")
        with pytest.raises(UsageError, match="no run 'nonsense'"):
            history.steps("nonsense")


def test_the_difference_of_two_runs(path: Path) -> None:
    with Pipeline.from_yaml(path).history() as history:
        after, before = (run.id for run in history.runs())
        found = history.difference(before, after)
        assert "-vars: {rows: 10}" in found.spec
        assert "+vars: {rows: 12}" in found.spec
        assert ("twice", 10, 12) in found.rows
        assert "apart" not in {step for step, *_ in found.rows}
        same = history.difference(after, after)
        assert (same.spec, same.rows, same.metrics) == ([], [], [])


def test_where_a_table_came_from(path: Path) -> None:
    pipeline = Pipeline.from_yaml(path)
    with pipeline.history() as history:
        after, before = (run.id for run in history.runs())
        origin = history.lineage("twice")
        assert origin.by is not None
        assert (origin.by.step, origin.by.run_id, origin.rows, origin.as_left) == ("twice", after, 12, True)
        assert [(o.name, o.by.step if o.by else None) for o in origin.of] == [("BASE", "base")]
        apart = history.lineage("APART")
        assert apart.by is not None
        assert apart.by.run_id == before, "the run that skipped it did not make it"
        assert history.lineage("nowhere").by is None
        with pytest.raises(UsageError, match="not a name"):
            history.lineage("no name")
    session = pipeline.session()
    session.sql("INSERT INTO TWICE VALUES (7)").collect()
    session.close()
    with pipeline.history() as history:
        assert history.lineage("twice").as_left is False


def test_the_commands(path: Path) -> None:
    after, before = (run["id"] for run in json.loads(invoke("runs", path, "--json").output))
    assert after in invoke("runs", path, "--limit", "1").output
    assert before not in invoke("runs", path, "--limit", "1").output
    assert "unchanged since" in invoke("logs", path).output
    lines = invoke("logs", path, before, "twice").output
    assert "success  twice" in lines
    assert "input table BASE: version" in lines
    assert 'setting query = "SELECT ID * 2' in lines
    assert "twice: 10 -> 12 rows" in invoke("diff", path, before, after).output
    assert "nothing differs" in invoke("diff", path, after, after).output
    tree = invoke("lineage", path, "scores").output.splitlines()
    assert tree[0].startswith("SCORES")
    assert tree[1].startswith("  TWICE  12 rows  written by twice in")
    assert tree[2].startswith("    BASE")
    assert invoke("logs", path, "nonsense").exit_code == 2


def test_before_the_first_run(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC)
    assert invoke("runs", path).output == "no run yet\n"
    assert invoke("logs", path).output == "no run yet\n"
    assert "not written by a recorded run" in invoke("lineage", path, "base").output
