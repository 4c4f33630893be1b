"""The JSON of commands that scripts read: validate, status and test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from snowpipe_ml.cli.main import main
from snowpipe_ml.cli.scaffold import init


def printed(*words: object, code: int = 0) -> Any:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return init(tmp_path_factory.mktemp("minimal"), "minimal")[0]


def test_a_valid_spec(spec: Path) -> None:
    found = printed("validate", spec, "--json")
    assert (found["valid"], found["problems"]) == (True, [])
    assert found["steps"] == ["daily_sales", "check_daily_sales"]
    assert "set `warehouse` on the target" in found["notes"][0]


def test_every_problem_has_its_place(spec: Path) -> None:
    wrong = spec.with_name("wrong.yaml")
    wrong.write_text(spec.read_text().replace("    query:", "    qurey:"))
    found = printed("validate", wrong, "--json", code=2)
    assert not found["valid"]
    (problem,) = [problem for problem in found["problems"] if "qurey" in problem["message"]]
    assert problem["file"] == str(wrong)
    assert wrong.read_text().splitlines()[problem["line"] - 1].startswith("    qurey:")
    assert problem["column"] == 5


def test_the_last_run(spec: Path) -> None:
    assert printed("status", spec, "--json") == {"steps": [], "intervals": []}
    assert CliRunner().invoke(main, ["run", str(spec), "--no-report"]).exit_code == 0
    found = printed("status", spec, "--json")
    assert {step["step"]: step["status"] for step in found["steps"]}["daily_sales"] == "success"


def test_unit_tests(spec: Path) -> None:
    found = printed("test", spec, "--json")
    assert found
    assert all(test["ok"] and test["failures"] == [] for test in found)
    tests = spec.with_name("minimal.tests.yaml")
    tests.write_text(tests.read_text().replace("ORDERS: 2", "ORDERS: 3"))
    assert not all(test["ok"] for test in printed("test", spec, "--json", code=1))
