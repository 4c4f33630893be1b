"""Pipelines as graphs of Snowflake's tasks, drawn without a connection; tests/integrations runs them."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.engine.export.archives import engine_archive, pipeline_archive
from snowpipe_ml.engine.export.deployment import deploy
from snowpipe_ml.engine.export.graph import draw
from snowpipe_ml.errors import SpecError, UsageError
from tests.conftest import CITIBIKE, ROOT, write_spec

ORDERS = ROOT / "examples" / "embedding" / "orders.yaml"
SCHEDULE = "schedule: {cron: '0 6 2 * *'}\n"
STEPS = """\
steps:
  a: {type: transform, query: "SELECT 1 AS X", writes: ta}
"""


def exported(spec: Path, *options: str) -> str:
    done = CliRunner().invoke(main, ["export", "tasks", str(spec), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refused(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as raised:
        draw(Pipeline.from_yaml(write_spec(folder, text)))
    return str(raised.value)


def test_the_statements(golden: Callable[[str, str], None]) -> None:
    text = re.sub(r"(engine|orders)-[0-9a-f]{16}\.zip", r"\1-HASH.zip", exported(ORDERS, "--target", "prod"))
    golden("orders_tasks.sql", text)


def test_a_part_of_the_steps_and_variables(tmp_path: Path) -> None:
    spec = write_spec(
        tmp_path,
        f"vars: {{n: 1}}\n{SCHEDULE}{STEPS}  b: {{type: transform, query: 'SELECT 1 AS Y', writes: tb}}\n",
    )
    text = exported(spec, "--exclude", "b", "--var", "n=7")
    assert "__A " in text
    assert "__B " not in text
    assert '"vars": {"n": 7}' in text
    assert '"exclude": ["b"]' in text


def test_tasks_are_serverless_or_have_the_warehouse_of_their_step(tmp_path: Path) -> None:
    steps = f"{STEPS}  b: {{type: transform, query: 'SELECT 1 AS Y', writes: tb, warehouse: big_wh}}\n"
    warehouses = "warehouses: {big_wh: {size: large}}\n"
    text = exported(write_spec(tmp_path, warehouses + SCHEDULE + steps))
    assert re.search(r"TASK \S+__A USER_TASK_TIMEOUT_MS", text)
    assert re.search(r"TASK \S+__B WAREHOUSE = BIG_WH", text)
    assert "CREATE WAREHOUSE IF NOT EXISTS BIG_WH" in text
    given = "schedule: {cron: '0 6 2 * *', warehouse: big_wh, external_access: [web]}\n"
    text = exported(write_spec(tmp_path / "given", warehouses + given + steps))
    assert re.search(r"TASK \S+__A WAREHOUSE = BIG_WH", text)
    assert "EXTERNAL_ACCESS_INTEGRATIONS = (WEB)" in text


def test_what_needs_the_client_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "q.sql").write_text("SELECT 1 AS X")
    layouts = "layouts: {all: {columns: [id]}}"
    text = refused(
        tmp_path / "spec",
        f"stages: {{raw: {{}}}}\n{SCHEDULE}"
        "on_success: [{command: [echo, done]}]\n"
        "steps:\n"
        f"  far: {{type: extract, from: 'https://example.org', url_file: x, months: ['2022-01'], into: '@raw/far/', {layouts}}}\n"
        f"  near: {{type: extract, from: {tmp_path}/outside, into: '@raw/near/', {layouts}}}\n"
        f"  sqls: {{type: transform, sql: {tmp_path}/outside/q.sql, writes: t}}\n",
    )
    assert "far (extract) cannot run as a task: it reaches a URL, for which schedule.external_access" in text
    assert f"near (extract) cannot run as a task: it reads {tmp_path}/outside, which is outside of" in text
    assert "sqls (transform) cannot run as a task: it reads" in text
    assert "a hook with a command cannot run in a task" in text
    assert re.search(r"spec\.yaml:\d+:\d+: far", text)


def test_environment_variables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"vars: {{}}\n{SCHEDULE}steps:\n  a: {{type: transform, query: \"SELECT {{{{ env.REGION | default('x') | literal }}}} AS X\", writes: t}}\n"
    monkeypatch.delenv("REGION", raising=False)
    draw(Pipeline.from_yaml(write_spec(tmp_path / "unset", text)))
    monkeypatch.setenv("REGION", "north")
    assert "a task has no environment variable REGION" in refused(tmp_path / "set", text)


def test_a_graph_that_runs_when_streams_have_changes(tmp_path: Path) -> None:
    steps = (
        "tables: {raw: {columns: {ID: varchar, N: number}}}\nstreams: {changes: {table: raw}}\n"
        "steps:\n  into: {type: merge, from: {stream: changes}, into: merged, key: [ID]}\n"
    )
    text = exported(write_spec(tmp_path / "triggered", f"schedule: {{on_changes: true}}\n{steps}"))
    (root,) = re.findall(r"CREATE OR ALTER TASK .*\('begin', ''\)", text)
    assert "SCHEDULE =" not in text
    assert (
        "USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS = 30 TARGET_COMPLETION_INTERVAL = '10 MINUTES'" in root
    )
    assert re.search(r" WHEN SYSTEM\$STREAM_HAS_DATA\('\S+\.CHANGES'\) AS CALL ", root)
    given = "schedule: {on_changes: true, cron: '0 6 * * *', warehouse: wh, min_interval: 60}\nwarehouses: {wh: {size: small}}\n"
    (root,) = re.findall(
        r"CREATE OR ALTER TASK .*\('begin', ''\)", exported(write_spec(tmp_path / "timed", given + steps))
    )
    assert "SCHEDULE = 'USING CRON 0 6 * * * UTC'" in root
    assert "MINIMUM_TRIGGER" not in root
    assert "WHEN SYSTEM$STREAM_HAS_DATA" in root
    pipeline = Pipeline.from_yaml(tmp_path / "triggered" / "spec.yaml")
    with pytest.raises(
        UsageError, match=r"the stream \S+\.CHANGES does not exist yet.*run the pipeline once"
    ):
        deploy(draw(pipeline))
    assert "no step consumes a stream" in refused(
        tmp_path / "none", f"schedule: {{on_changes: true}}\n{STEPS}"
    )


CHANGES = (
    "tables: {raw: {columns: {ID: varchar, N: number}}, other: {columns: {ID: varchar}}}\n"
    "streams: {changes: {table: raw}, others: {table: other}}\n"
)
MERGES = (
    "steps:\n  into: {type: merge, from: {stream: changes}, into: merged, key: [ID]%s}\n"
    "  beside: {type: merge, from: {stream: others}, into: m2, key: [ID]%s}\n"
)


@pytest.mark.parametrize(
    ("head", "of_steps", "start"),
    [
        ("trigger: {stream: changes, minutes: 5}\n", ("", ""), ("SCHEDULE = '5 MINUTE'", ["CHANGES"])),
        ("", (", trigger: {stream: changes}", ""), ("TRIGGER_INTERVAL_IN_SECONDS = 30", ["CHANGES"])),
        (
            "schedule: {on_changes: true, warehouse: wh}\nwarehouses: {wh: {size: small}}\n",
            (", trigger: {stream: changes, minutes: 7}", ", trigger: {stream: others, minutes: 2}"),
            ("SCHEDULE = '2 MINUTE'", ["CHANGES", "OTHERS"]),
        ),
        (
            "schedule: {cron: '0 6 * * *'}\n",
            ("", ", trigger: {stream: others}"),
            ("SCHEDULE = 'USING CRON 0 6 * * * UTC'", ["OTHERS"]),
        ),
    ],
)
def test_triggers(tmp_path: Path, head: str, of_steps: tuple[str, str], start: tuple[str, list[str]]) -> None:
    text = exported(write_spec(tmp_path, head + CHANGES + MERGES % of_steps))
    (root,) = re.findall(r"CREATE OR ALTER TASK .*\('begin', ''\)", text)
    option, streams = start
    assert option in root
    assert root.count("SCHEDULE = ") == option.count("SCHEDULE")
    assert re.findall(r"SYSTEM\$STREAM_HAS_DATA\('DEMO\.\w+\.(\w+)'\)", root) == streams
    assert text.count("WHEN") == 1


def test_triggers_that_are_refused(tmp_path: Path) -> None:
    text = refused(tmp_path, "trigger: {stream: change}\n" + CHANGES + MERGES % ("", ""))
    assert "the stream CHANGE is not declared" in text
    assert "did you mean 'changes'?" in text
    given = "schedule: {cron: '0 6 * * *'}\ntrigger: {stream: changes, minutes: 1}\n"
    text = refused(tmp_path, given + CHANGES + MERGES % ("", ""))
    assert re.search(r"spec\.yaml:5:\d+: schedule\.cron says when the graph looks for changes", text)


def test_a_trigger_is_no_part_of_what_a_step_does(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, CHANGES + MERGES % ("", "")))
    assert pipeline.run().ok
    write_spec(tmp_path, CHANGES + MERGES % (", trigger: {stream: changes}", ""))
    assert {step.status.value for step in pipeline.run().steps.values()} == {"reused"}


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("{cron: '0 6 2 *'}", "a cron expression has 5 fields"),
        ("{cron: '0 6 2 * *', timezone: Mars}", "unknown time zone 'Mars'"),
        ("{cron: '0 6 2 * *', retries: 31}", "30"),
        ("{timezone: UTC}", "give cron, or on_changes: true, or both"),
        ("{on_changes: true, min_interval: 5}", "10"),
    ],
)
def test_a_bad_schedule(tmp_path: Path, schedule: str, message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)) as raised:
        Pipeline.from_yaml(write_spec(tmp_path, f"schedule: {schedule}\n{STEPS}")).validate()
    assert "spec.yaml:" in str(raised.value)


def test_a_spec_without_a_schedule_has_no_tasks(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no schedule"):
        draw(Pipeline.from_yaml(write_spec(tmp_path, STEPS)))


def test_secret_variables_are_refused(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, f"vars: {{password: ''}}\n{SCHEDULE}{STEPS}")
    with pytest.raises(UsageError, match="password would be a secret"):
        draw(Pipeline.from_yaml(spec, vars={"password": "hunter2"}))


def test_limits_are_checked_by_plan(tmp_path: Path) -> None:
    def steps(count: int) -> str:
        return "".join(
            f"  s{number}: {{type: transform, query: 'SELECT 1 AS X', writes: t{number}}}\n"
            for number in range(count)
        )

    spec = write_spec(tmp_path / "wide", f"{SCHEDULE}steps:\n{steps(101)}")
    with pytest.raises(SpecError, match="101 steps need no other, and a task has at most 100 child tasks"):
        Pipeline.from_yaml(spec).plan()
    names = ", ".join(f"s{number}" for number in range(101))
    text = f"{SCHEDULE}steps:\n  first: {{type: transform, query: 'SELECT 1 AS X', writes: t}}\n"
    text += steps(101).replace("writes:", "needs: [first], writes:")
    text += f"  last: {{type: transform, needs: [{names}], query: 'SELECT 1 AS X', writes: u}}\n"
    found = refused(tmp_path / "both", text)
    assert "last needs 101 others, and a task has at most 100 predecessors" in found
    assert "101 steps need first, and a task has at most 100 child tasks" in found
    twice = steps(1).replace("s0", "a-b") + steps(1).replace("s0", "a_b").replace("t0", "t1")
    assert "a-b and a_b would both be the task" in refused(tmp_path / "twice", f"{SCHEDULE}steps:\n{twice}")
    Pipeline.from_yaml(write_spec(tmp_path / "none", f"steps:\n{steps(101)}")).plan()


def test_edges_that_others_imply_are_left_out(tmp_path: Path) -> None:
    text = (
        f"{SCHEDULE}{STEPS}"
        "  b: {type: transform, query: \"SELECT * FROM {{ ref('ta') }}\", writes: tb}\n"
        "  c: {type: transform, query: \"SELECT * FROM {{ ref('ta') }}, {{ ref('tb') }}\", writes: tc}\n"
    )
    graph = draw(Pipeline.from_yaml(write_spec(tmp_path, text)))
    assert {one.task.name: [name.name for name in one.after] for one in graph.tasks} == {
        "a": [],
        "b": ["DEMO__A"],
        "c": ["DEMO__B"],
    }


def test_the_archives_depend_on_contents_alone(tmp_path: Path) -> None:
    names = []
    for number in range(2):
        spec = write_spec(tmp_path / str(number), SCHEDULE + STEPS)
        (spec.parent / "sql").mkdir()
        (spec.parent / "sql" / "q.sql").write_text("SELECT 1")
        (spec.parent / ".hidden").write_text(str(number))
        _, graph, ctx = Pipeline.from_yaml(spec).load()
        archive = pipeline_archive(spec, graph, ctx)
        assert zipfile.ZipFile(io.BytesIO(archive.data)).namelist() == ["spec.yaml", "sql/q.sql"]
        names.append(archive.file)
    assert names[0] == names[1]
    assert len(engine_archive().data) < 700_000


def test_the_staged_engine_is_complete(tmp_path: Path) -> None:
    """It loads a spec with all of its step types, without the modules that are left out."""
    zipfile.ZipFile(io.BytesIO(engine_archive().data)).extractall(tmp_path)
    code = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "import snowpipe_ml.engine.export.inside as inside\n"
        "assert inside.__file__.startswith(sys.argv[2]), inside.__file__\n"
        "graph = inside.Pipeline.from_yaml(sys.argv[1]).validate()\n"
        "assert len(graph.nodes) > 20\n"
        "heavy = {'duckdb', 'sqlglot', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, CITIBIKE, tmp_path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
