from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from snowpipe_ml.cli.main import _COMMANDS, main
from tests.conftest import CITIBIKE, ROOT, write_spec

GOLDEN = Path(__file__).parent / "golden"
SPEC = """\
vars: {n: 2}
steps:
  numbers: {type: transform, query: "SELECT $1 AS N, $2 AS NAME FROM VALUES (1, 'one'), ({{ vars.n | literal }}, NULL)", writes: numbers}
"""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    "command",
    [
        "",
        "validate",
        "plan",
        "run",
        "graph",
        "status",
        "sql",
        "serve",
        "packages",
        "steps",
        "test",
        "schema",
        "runs",
        "cancel",
        "cost",
        "dashboard",
        "logs",
        "diff",
        "diff-data",
        "compare",
        "lineage",
        "init",
        "report",
        "doctor",
        "setup",
        "record",
        "repair",
        "export",
        "export tasks",
        "env",
        "env list",
        "env drop",
        "explain",
        "mcp",
        "explore",
        "try",
    ],
)
def test_help_texts(command: str) -> None:
    path = GOLDEN / "help" / f"{command.replace(' ', '_') or 'main'}.txt"
    text = invoke(*command.split(), "--help").output
    assert text == path.read_text(), f"if this is meant: write the new text to {path}"


def test_run_status_sql(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, SPEC)
    assert invoke("status", spec).output == "no run yet\n"
    done = invoke("run", spec, "--var", "n=5")
    assert done.exit_code == 0, done.output
    assert "✓ numbers" in done.output
    assert "2 rows" in done.output
    assert "success in" in done.output
    status = invoke("status", spec).output
    assert "numbers" in status
    assert "success" in status
    select = "SELECT * FROM NUMBERS ORDER BY N"
    assert json.loads(invoke("sql", spec, select, "--format", "json").output) == [
        {"N": 1, "NAME": "one"},
        {"N": 5, "NAME": None},
    ]
    assert invoke("sql", spec, select, "--format", "csv").output == "N,NAME\n1,one\n5,\n"
    table = invoke("sql", spec, select).output
    assert "NULL" in table
    assert "one" in table


def test_exit_codes(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, SPEC)
    bad = invoke("sql", spec, "SELECT nope")
    assert bad.exit_code == 1
    assert "invalid identifier 'NOPE'" in bad.stderr
    assert "Traceback" not in bad.output
    assert invoke("run", spec, "--target", "nope").exit_code == 2
    assert invoke("run", spec, "--var", "n").exit_code == 2
    assert invoke("run", tmp_path / "nope.yaml").exit_code == 2
    failing = write_spec(tmp_path, "steps: {a: {type: transform, query: 'SELECT 1 / 0 AS X', writes: t}}\n")
    failed = invoke("run", failing)
    assert failed.exit_code == 1
    assert "✗ a" in failed.output
    assert "error a: " in failed.output


def test_a_target_that_cannot_be_reached_exits_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path))
    path = tmp_path / "spec.yaml"
    path.write_text(
        "name: demo\ntargets: {prod: {type: snowflake, connection: nobody, database: D}}\n"
        "steps: {a: {type: transform, query: SELECT 1 AS X, writes: t}}\n"
    )
    done = invoke("run", path)
    assert done.exit_code == 3, done.output
    assert "cannot connect with 'nobody' of connections.toml" in done.stderr


def test_a_second_run_of_a_pipeline_exits_4(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, SPEC)
    assert invoke("run", spec).exit_code == 0
    take = (
        "UPDATE SNOWPIPE_ML.LOCKS SET RUN_ID = 'another', OWNER = 'ada@elsewhere, process 1', "
        "EXPIRES_AT = DATEADD(second, {}, SYSDATE())"
    )
    invoke("sql", spec, take.format(100))
    done = invoke("run", spec)
    assert done.exit_code == 4
    assert "demo is being run on local by ada@elsewhere, process 1 (run another)" in done.stderr
    invoke("sql", spec, take.format(-1))
    assert invoke("run", spec).exit_code == 0, "an expired lock is taken over"


def test_events_as_json_lines(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, SPEC + '  bad: {type: transform, query: "SELECT 1 / 0 AS X", writes: bad}\n')
    assert [step["action"] for step in json.loads(invoke("run", spec, "--dry-run", "--json").output)] == [
        "run"
    ] * 2
    assert not (tmp_path / "warehouse").exists()
    events = [json.loads(line) for line in invoke("run", spec, "--json").stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["run_started", "run_finished"]
    (bad,) = [event for event in events if event["event"] == "step_finished" and event["step"] == "bad"]
    assert bad["status"] == "failed"
    assert "Division by zero" in bad["error"]["message"]
    assert all(event["at"].startswith("20") for event in events)
    assert "1 unchanged" in invoke("run", spec, "--dry-run").output


def test_plan_and_graph(tmp_path: Path) -> None:
    plan = json.loads(invoke("plan", CITIBIKE, "--json").output)
    assert plan[-1]["name"] == "roles.citibike_analyst"
    assert any(
        "CREATE OR REPLACE FUNCTION FORECAST_STATION" in s for step in plan for s in step["statements"]
    )
    shown = invoke("plan", CITIBIKE, "--sql").output
    assert "COPY INTO RAW_TRIPS_OLD (TRIPDURATION, STARTTIME," in shown
    assert "GENDER) FROM '@LOAD_STAGE/trips/old/'" in shown
    assert invoke("graph", CITIBIKE).output.startswith("flowchart LR\n")
    assert '"extract_trips" -> "load_old_trips"' in invoke("graph", CITIBIKE, "--format", "dot").output
    graph = json.loads(invoke("graph", CITIBIKE, "--format", "json").output)
    assert {"from": "train_stations", "to": "evaluate_stations"} in graph["edges"]


def test_steps() -> None:
    listed = invoke("steps").output
    assert "copy_into" in listed
    shown = invoke("steps", "copy_into").output
    assert "from  (text; required)" in shown
    inside = invoke("steps", "deploy_forecaster").output
    assert "model  (a mapping with type: adida, auto_arima," in inside
    assert "type: lightgbm | lightgbm_global: Gradient-boosted trees" in inside
    assert "objective  (regression, regression_l1, poisson, tweedie;" in inside
    wrong = invoke("steps", "copy_inot")
    assert wrong.exit_code == 2
    assert "did you mean 'copy_into'?" in wrong.stderr


def test_the_schemas_on_disk_are_those_of_the_code(tmp_path: Path) -> None:
    assert invoke("schema", "--check", "--directory", ROOT / "schemas").exit_code == 0
    drift = invoke("schema", "--check", "--directory", tmp_path)
    assert drift.exit_code == 1
    assert "run 'snowpipe-ml schema'" in drift.stderr


def test_the_list_of_commands_says_what_their_help_says() -> None:
    context = click.Context(main)
    for name, (_, text) in _COMMANDS.items():
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert " ".join((command.help or "").split("\n\n")[0].split()) == text
