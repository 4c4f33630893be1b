"""The JSON that commands print, against its JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from click.testing import CliRunner

from snowpipe_ml.cli.main import main
from snowpipe_ml.cli.scaffold import init
from snowpipe_ml.ui.outputs.commands import OUTPUTS
from snowpipe_ml.ui.outputs.common import Number, Output, output_json

SCHEMAS = Path(__file__).parents[2] / "schemas" / "output"


def invoked(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.stdout


def conforming(command: object, text: str) -> Any:
    """Read a JSON text, and check it against the schema of the command in the repository."""
    value = json.loads(text)
    schema = json.loads((SCHEMAS / f"{command}.schema.json").read_text())
    jsonschema.validate(
        value, schema, jsonschema.Draft202012Validator, format_checker=jsonschema.FormatChecker()
    )
    return value


def printed(*words: object, code: int = 0) -> Any:
    return conforming(words[0], invoked(*words, code=code))


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


def test_every_command_with_json_has_a_schema() -> None:
    context = click.Context(main)
    commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    for group in [command for command in commands.values() if isinstance(command, click.Group)]:
        commands |= {f"{group.name}-{name}": command for name, command in group.commands.items()}
    with_json = {
        name
        for name, command in commands.items()
        if command is not None and any("--json" in parameter.opts for parameter in command.params)
    }
    assert with_json == set(OUTPUTS)
    assert {path.name.removesuffix(".schema.json") for path in SCHEMAS.iterdir()} == set(OUTPUTS)


def test_plans_runs_and_records(spec: Path) -> None:
    assert [step["name"] for step in printed("plan", spec, "--json", "--offline")]
    assert all("estimate" in step for step in printed("plan", spec, "--json", "--cost"))
    assert all("estimate" not in step for step in printed("plan", spec, "--json"))
    lines = invoked("run", spec, "--full-refresh", "--json", "--no-report").splitlines()
    events = [conforming("run", line) for line in lines]
    assert {event["event"] for event in events} >= {"run_started", "step_finished", "run_finished"}
    runs = printed("runs", spec, "--json")
    assert runs[0]["status"] == "success"
    assert runs[0]["started_at"][10] == "T"
    assert printed("logs", spec, "--json")[0]["run_id"] == runs[0]["id"]
    assert printed("diff", spec, runs[0]["id"], runs[0]["id"], "--json")["spec"] == []
    assert printed("lineage", spec, "daily_sales", "--json")["by"]["step"] == "daily_sales"
    assert printed("cancel", spec, runs[0]["id"], "--json")["canceled"] is False


def test_a_step_that_fails(spec: Path) -> None:
    wrong = spec.with_name("failing.yaml")
    wrong.write_text(
        "name: failing\ntargets: {local: {type: local}}\n"
        "steps:\n  divide: {type: transform, query: SELECT 1 / 0 AS X, writes: divided}\n"
    )
    lines = invoked("run", wrong, "--json", "--no-report", code=1).splitlines()
    errors = [event["error"] for event in (conforming("run", line) for line in lines) if event.get("error")]
    assert "ivision by zero" in errors[0]["message"]


def test_privileges_and_codes(spec: Path) -> None:
    assert printed("doctor", spec, "--json", "--offline")["privileges"]
    assert printed("explain", "002003", "--json")[0]["code"] == "002003"


def test_json_has_no_nan() -> None:
    class Score(Output):
        mase: Number

    assert json.loads(output_json(Score(mase=float("nan")))) == {"mase": None}
