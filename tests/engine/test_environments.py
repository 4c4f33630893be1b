"""Environments: made on first use by cloning, begun from the records of the target, and dropped with nothing else."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.engine.records.seeding import Seeds
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.run import environments
from snowpipe_ml.engine.run.environments import drop, find
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.errors import LockedError, SpecError, UsageError
from snowpipe_ml.spec.environments import environment_name
from tests.conftest import write_spec

SPEC = """\
warehouses: {w: {size: small}}
roles: {reader: {}}
grants: {reader: {table doubled: [select]}}
stages: {files: {}}
on_success:
  - {query: "CREATE TABLE IF NOT EXISTS HOOKED (A INT)"}
steps:
  numbers: {type: transform, query: "SELECT 1 AS ID, 10 AS X UNION ALL SELECT 2, 20", writes: numbers}
  doubled: {type: transform, query: "SELECT ID, X * 2 AS Y FROM {{ ref('numbers') }}", writes: doubled}
  seen: {type: transform, query: "SELECT * FROM {{ ref('doubled') }}", materialized: view, writes: seen}
"""


def pipeline(folder: Path, env: str | None = None, **changes: str) -> Pipeline:
    """The pipeline, with the texts of some of its lines changed."""
    text = SPEC
    for old, new in (change.split(" => ") for change in changes.values()):
        assert old in text
        text = text.replace(old, new)
    return Pipeline.from_yaml(write_spec(folder, text), env=env)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the pipeline has run on the target."""
    folder = tmp_path_factory.mktemp("ran")
    assert pipeline(folder).run().ok
    return folder


@pytest.fixture
def folder(ran: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(ran, tmp_path / "copy"))


def ask(folder: Path, text: str) -> list[tuple[Any, ...]]:
    """The rows of a statement on the target."""
    with closing(Pipeline.from_yaml(folder / "spec.yaml").connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(text)
        return [tuple(row) for row in cursor.fetchall()]


def statuses(result: RunResult) -> dict[str, str]:
    """The statuses of the steps, without declared objects."""
    return {name: step.status.value for name, step in result.steps.items() if "." not in name}


def test_an_environment_begins_from_the_target_and_leaves_it_alone(folder: Path) -> None:
    ask(folder, "DROP TABLE HOOKED")
    # What was unchanged on the target is unchanged in the clone, and so is what only declares an object.
    first = pipeline(folder, "pr_12").run()
    assert {step.status.value for step in first.steps.values()} == {"reused"}
    changed = pipeline(folder, "pr_12", a="X * 2 => X * 3").run()
    assert statuses(changed) == {"numbers": "reused", "doubled": "success", "seen": "success"}
    again = pipeline(folder, "pr_12", a="X * 2 => X * 3").run()
    assert set(statuses(again).values()) == {"reused"}
    assert ask(folder, "SELECT Y FROM PUBLIC__PR_12.SEEN ORDER BY Y") == [(30,), (60,)]
    assert ask(folder, "SELECT Y FROM PUBLIC.SEEN ORDER BY Y") == [(20,), (40,)]
    assert set(statuses(pipeline(folder).run()).values()) == {"reused"}
    # Neither the hooks nor the roles of the pipeline reach beyond the environment.
    assert ask(folder, "SHOW TABLES LIKE 'HOOKED' IN SCHEMA PUBLIC__PR_12") == []
    with pipeline(folder, "pr_12").history() as history:
        assert len(history.runs(10)) == 2  # the one on the target, and the one that ran a step
    with pipeline(folder).history() as history:
        assert len(history.runs(10)) == 1


def test_a_change_of_the_target_before_or_after_the_clone(folder: Path) -> None:
    ask(folder, "INSERT INTO PUBLIC.NUMBERS VALUES (3, 30)")
    # The step whose output was changed runs in the clone, as it would on the target.
    assert statuses(pipeline(folder, "a").run())["numbers"] == "success"
    ask(folder, "DELETE FROM PUBLIC.NUMBERS")
    assert set(statuses(pipeline(folder, "a").run()).values()) == {"reused"}
    assert ask(folder, "SELECT COUNT(*) FROM PUBLIC__A.SEEN") == [(2,)]


def test_two_environments_and_two_pipelines(folder: Path) -> None:
    other = folder / "other.yaml"
    other.write_text(
        (folder / "spec.yaml")
        .read_text()
        .replace("name: ", "name: other_", 1)
        .replace("doubled", "tripled")
        .replace("numbers", "more")
        .replace("seen", "looked")
    )
    assert Pipeline.from_yaml(other).run().ok
    for env, factor in (("one", 5), ("two", 7)):
        assert pipeline(folder, env, a=f"X * 2 => X * {factor}").run().ok
    assert ask(folder, "SELECT SUM(Y) FROM PUBLIC__ONE.SEEN") == [(150,)]
    assert ask(folder, "SELECT SUM(Y) FROM PUBLIC__TWO.SEEN") == [(210,)]
    # The other pipeline in the schema finds its tables and its records there too, and does not clone again.
    assert set(statuses(Pipeline.from_yaml(other, env="one").run()).values()) == {"reused"}
    assert ask(folder, "SELECT SUM(Y) FROM PUBLIC__ONE.SEEN") == [(150,)]


def test_a_killed_process_leaves_what_the_next_run_makes_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def killed(*_: object) -> list[list[object]]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Seeds, "of_environment", killed)
        with pytest.raises(KeyboardInterrupt):
            pipeline(folder, "pr_12").run()
    with pytest.raises(UsageError, match="no environment PR_12"):
        pipeline(folder, "pr_12").connect()
    assert not find(pipeline(folder), None, environment_name("pr_12")).finished
    monkeypatch.setattr("snowpipe_ml.engine.records.lock._is_dead", lambda owner: True)
    assert set(statuses(pipeline(folder, "pr_12").run()).values()) == {"reused"}
    assert find(pipeline(folder), None, environment_name("pr_12")).finished


def test_drop_takes_what_the_environment_made_and_nothing_else(folder: Path) -> None:
    assert pipeline(folder, '"pr-1 é"').run().ok
    ask(folder, 'CREATE SCHEMA "PUBLIC__mine"')
    before = pipeline(folder)
    found = find(before, None, environment_name('"pr-1 é"'))
    assert [schema.name.name for schema in found.schemas] == ["SNOWPIPE_ML__pr-1 é", "PUBLIC__pr-1 é"]
    drop(before, None, found)
    schemas = {row[1] for row in ask(folder, "SHOW SCHEMAS")}
    assert schemas == {"INFORMATION_SCHEMA", "PUBLIC", "PUBLIC__mine", "SNOWPIPE_ML"}
    for name in ("public", "snowpipe_ml", '"mine"', '"pr-1 é"'):
        with pytest.raises(UsageError, match="no environment"):
            find(before, None, environment_name(name))


def test_an_environment_in_which_a_run_works_is_not_dropped(folder: Path) -> None:
    inside = pipeline(folder, "pr_12")
    assert inside.run().ok
    records = find(inside, None, environment_name("pr_12")).schemas[0]
    with closing(inside.connect()) as connection:
        held = State(connection, records).lock("demo", "local", "RUN")
        with held.held(), pytest.raises(LockedError, match="demo is being run in the environment PR_12"):
            drop(inside, None, find(inside, None, environment_name("pr_12")))
    # The lock in the environment is not that of the target.
    assert pipeline(folder).run().ok


def test_a_schema_that_something_else_made_is_refused(folder: Path) -> None:
    ask(folder, "CREATE SCHEMA PUBLIC__PR_12")
    with pytest.raises(UsageError, match="PUBLIC__PR_12, which exists and was not made for it"):
        pipeline(folder, "pr_12").run()
    assert len(ask(folder, "SHOW SCHEMAS LIKE 'SNOWPIPE_ML__%'")) == 0


def test_a_step_that_would_work_outside_of_the_environment_is_refused(tmp_path: Path) -> None:
    inside = pipeline(tmp_path, "pr_12", a="{{ ref('doubled') }} => PUBLIC.DOUBLED")
    with pytest.raises(SpecError, match="seen names PUBLIC.DOUBLED in its SQL"):
        inside.plan()
    # A string and a comment are no names, and {{ target.schema }} is that of the environment.
    text = "{{ target.schema | identifier }}.DOUBLED WHERE 'PUBLIC.DOUBLED' <> '' -- PUBLIC.DOUBLED"
    planned = pipeline(tmp_path, "pr_12", a="{{ ref('doubled') }} => " + text).plan()
    assert "FROM PUBLIC__PR_12.DOUBLED" in planned[-1].statements[0].text


def test_outputs_in_other_schemas_are_cloned_too(tmp_path: Path) -> None:
    with closing(pipeline(tmp_path).connect()) as connection:
        connection.cursor().execute("CREATE SCHEMA OTHER")
    changes = {
        "a": "writes: doubled => writes: other.doubled",
        "b": "ref('doubled') => ref('other.doubled')",
        "c": "table doubled => table other.doubled",
    }
    assert pipeline(tmp_path, **changes).run().ok
    assert set(statuses(pipeline(tmp_path, "pr_12", **changes).run()).values()) == {"reused"}
    assert pipeline(tmp_path, "pr_12", d="X * 2 => X * 3", **changes).run().ok
    assert ask(tmp_path, "SELECT SUM(Y) FROM OTHER__PR_12.DOUBLED") == [(90,)]
    assert ask(tmp_path, "SELECT SUM(Y) FROM PUBLIC__PR_12.SEEN") == [(90,)]
    assert ask(tmp_path, "SELECT SUM(Y) FROM PUBLIC.SEEN") == [(60,)]


def test_warehouses_are_shared_and_not_changed(folder: Path) -> None:
    changed = pipeline(folder, "pr_12", a="w: {size: small} => w: {size: large}, v: {size: xsmall}")
    assert changed.run().ok
    sizes = {row[0]: row[3] for row in ask(folder, "SHOW WAREHOUSES")}
    assert sizes["W"] == "Small"
    assert sizes["V"] == "X-Small"


def test_a_session_of_the_callers_is_refused(tmp_path: Path) -> None:
    with (
        closing(snowpipe_ml.local_session()) as session,
        pytest.raises(UsageError, match="opens its own sessions"),
    ):
        pipeline(tmp_path, "pr_12").run(session=session)


def test_the_commands(folder: Path) -> None:
    spec = str(pipeline(folder, a="X * 2 => X * 3").path)

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, [*arguments])
        assert result.exit_code == code, result.output
        return result.output

    assert "3 to run" in call("plan", spec, "--env", "pr_12")  # there is none yet: as it will begin
    call("status", spec, "--env", "pr_12", code=2)
    call("run", spec, "--env", "pr_12", "--no-report")
    assert "doubled" in call("status", spec, "--env", "pr_12")
    assert "0 to run" in call("plan", spec, "--env", "pr_12")
    assert "60" in call("sql", spec, "SELECT MAX(Y) FROM DOUBLED", "--env", "pr_12")
    told = call("diff-data", spec, "--env", "pr_12", "--key", "doubled=ID", "--select", "doubled", code=1)
    assert "2 rows with different values" in told
    assert "PR_12" in call("env", "list", spec)
    call("env", "drop", spec, "pr_12", code=1)  # nobody answers
    assert "dropped DEMO.PUBLIC__PR_12" in call("env", "drop", spec, "pr_12", "--yes")
    assert call("env", "list", spec) == "no environments\n"
    assert "not a name" in call("run", spec, "--env", "pr-12", code=2)


def test_the_statements(
    folder: Path, golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = pipeline(folder, "pr_12")
    spec = inside.load()[0]
    assert spec.environment is not None
    sent: list[str] = []

    def connector(*_: object, **__: object) -> Any:
        def connect() -> Any:
            connection: Any = pipeline(folder).connect()
            connection.listeners.append(sent.append)
            return connection

        return connect

    monkeypatch.setattr(environments, "connector", connector)
    for _ in range(2):
        sent.append("-- run --env pr_12")
        environments.prepare(spec, inside.path, "RUN_ID")
    sent.append("-- env drop pr_12")
    drop(inside, None, find(inside, None, environment_name("pr_12")))
    golden("environment.sql", normalized(sent))


def normalized(sent: list[str]) -> str:
    """The statements, without what differs from run to run."""
    lines = []
    for text in sent:
        text = re.sub(r"'[^']*@[^']*, process \d+'", "'OWNER'", " ".join(text.split()))
        text = re.sub(r"\d{8}T\d{9}-[0-9a-f]{6}", "RUN_ON_TARGET", text)
        lines.append(text if text.startswith("--") else f"{text};")
    return "\n".join(lines) + "\n"


def test_the_names_of_an_environment() -> None:
    assert environment_name("pr_12").name == "PR_12"
    assert environment_name('"feature/x"').name == "feature/x"
    with pytest.raises(UsageError, match="--env"):
        environment_name("feature/x")
