from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.engine.events import Event, RunFinished, RunStarted, Status, StepFinished, StepStarted
from snowpipe_ml.sql import Sql
from tests.conftest import write_spec

DIAMOND = """\
tags: {model_id: {value: "{{ run.model_id }}"}}
steps:
  a: {type: transform, query: SELECT 1 AS X, writes: ta}
  bad: {type: transform, query: "SELECT X / 0 AS X FROM {{ ref('ta') }}", writes: tbad}
  after_bad: {type: transform, query: "SELECT * FROM {{ ref('tbad') }}", writes: tafter}
  far_after: {type: transform, query: "SELECT * FROM {{ ref('tafter') }}", writes: tfar}
  good: {type: transform, query: "SELECT X + 1 AS X FROM {{ ref('ta') }}", writes: tgood, materialized: view}
  last: {type: transform, query: "SELECT X FROM {{ ref('tgood') }}", writes: tlast}
"""


def test_a_failed_step_skips_its_dependents_alone(tmp_path: Path) -> None:
    events: list[Event] = []
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, DIAMOND))
    result = pipeline.run(listeners=[events.append])
    assert not result.ok
    assert {name: step.status.value for name, step in result.steps.items() if "." not in name} == {
        "a": "success",
        "bad": "failed",
        "after_bad": "skipped",
        "far_after": "skipped",
        "good": "success",
        "last": "success",
    }
    assert "Division by zero" in result.steps["bad"].message
    assert result.steps["bad"].error is not None
    assert (result.steps["far_after"].blamed, result.steps["far_after"].message) == ("bad", "needs bad")
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].status is Status.FAILED
    started = [event.step for event in events if isinstance(event, StepStarted)]
    assert "after_bad" not in started
    assert started.index("a") < started.index("good") < started.index("last")
    assert sum(isinstance(event, StepFinished) for event in events) == len(result.steps)


def test_runs_are_recorded_and_outputs_tagged(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, DIAMOND))
    assert pipeline.last_run() == []
    result = pipeline.run()
    rows = {row["STEP"]: row for row in pipeline.last_run()}
    assert rows["bad"]["STATUS"] == "failed"
    assert "Division by zero" in rows["bad"]["ERROR"]
    assert rows["last"]["ROW_COUNT"] == 1
    session = pipeline.session()
    runs = session.sql("SELECT RUN_ID, STATUS FROM SNOWPIPE_ML.RUNS").collect()
    assert [tuple(row) for row in runs] == [(result.run.id, "failed")]
    for name in ("ta", "tgood", "tlast"):
        assert (
            session.sql(f"SELECT SYSTEM$GET_TAG('model_id', '{name}', 'table')").collect()[0][0]
            == result.run.model_id
        )
    session.close()


def test_on_a_session_that_the_caller_has(tmp_path: Path) -> None:
    session = snowpipe_ml.local_session(database="MINE", schema="WORK")
    result = Pipeline.from_yaml(write_spec(tmp_path, DIAMOND)).run(session=session)
    assert result.steps["last"].rows == 1
    assert session.get_current_schema() == '"WORK"'
    assert session.sql("SHOW PARAMETERS LIKE 'QUERY_TAG'").collect()[0]["value"] == ""
    assert session.sql("SELECT COUNT(*) FROM SNOWPIPE_ML.STEP_RUNS").collect()[0][0] == 7
    assert session.table("WORK.TLAST").count() == 1
    session.close()
    assert not (tmp_path / "warehouse").exists()


def test_independent_steps_run_at_once(tmp_path: Path) -> None:
    import threading

    from snowpipe_ml.plugins import STEP_TYPES, Step, StepResult, StepSettings, register

    meet = threading.Barrier(3, timeout=120)

    @register("meet")
    class Meet(Step[Any]):
        Settings = StepSettings

        def run(self, ctx: Any) -> StepResult:
            meet.wait()  # all three must arrive before any continues
            return StepResult(rows=ctx.scalar(Sql("SELECT 3")))

    try:
        text = (
            "steps: {a: {type: meet}, b: {type: meet}, c: {type: meet}, d: {type: holidays, country: US, "
            "first_year: 2020, last_year: 2020, writes: h, needs: [a, b]}}"
        )
        result = Pipeline.from_yaml(write_spec(tmp_path, text + "\n")).run()
    finally:
        STEP_TYPES.discard("meet")
    assert result.ok
    assert result.steps["b"].rows == 3
    assert list(result.steps)[-1] == "d"


def test_a_step_type_is_registered_once() -> None:
    from snowpipe_ml.errors import PluginError
    from snowpipe_ml.plugins import register

    class Other:
        pass

    with pytest.raises(PluginError, match="registered twice"):
        register("transform")(Other)
    with pytest.raises(PluginError, match="not a subclass of Step"):
        register("other")(Other)


def test_plan_shows_the_sql_without_a_connection(tmp_path: Path) -> None:
    planned = Pipeline.from_yaml(write_spec(tmp_path, DIAMOND)).plan()
    by_name = {step.name: step for step in planned}
    created = re.sub(r"MODEL_\d+T\d+", "MODEL", str(by_name["good"].plan.statements[0]))
    assert (
        created == "CREATE OR REPLACE VIEW TGOOD WITH TAG (MODEL_ID = 'MODEL') AS SELECT X + 1 AS X FROM TA"
    )
    assert by_name["last"].needs == ("good", "tags.model_id")
    names = [step.name for step in planned]
    assert names.index("a") < names.index("bad") < names.index("after_bad")
    assert not (tmp_path / "warehouse").exists()


def test_a_plugin_that_returns_nothing_or_breaks(tmp_path: Path) -> None:
    from snowpipe_ml.errors import SpecError
    from snowpipe_ml.plugins import STEP_TYPES, Step, StepSettings, register

    @register("quiet")
    class Quiet(Step[Any]):
        Settings = StepSettings

        def run(self, ctx: Any) -> Any:
            return None

    @register("broken")
    class Broken(Quiet):
        def reads(self, ctx: Any) -> Any:
            return [][0]

    try:
        assert Pipeline.from_yaml(write_spec(tmp_path, "steps: {a: {type: quiet}}\n")).run().ok
        with pytest.raises(SpecError, match=r"spec.yaml:4:9: a: IndexError: list index out of range"):
            Pipeline.from_yaml(write_spec(tmp_path, "steps: {a: {type: broken}}\n")).validate()
    finally:
        STEP_TYPES.discard("quiet")
        STEP_TYPES.discard("broken")


def test_a_step_leaves_the_warehouse_as_it_was(tmp_path: Path) -> None:
    text = """\
warehouses: {small: {}, big: {size: large}}
steps:
  a: {type: transform, query: "SELECT CURRENT_WAREHOUSE() AS W", writes: ta, warehouse: big}
  b: {type: transform, query: "SELECT CURRENT_WAREHOUSE() AS W FROM {{ ref('ta') }}", writes: tb}
"""
    session = snowpipe_ml.local_session()
    session.sql("CREATE WAREHOUSE own").collect()
    assert Pipeline.from_yaml(write_spec(tmp_path, text)).run(session=session).ok
    assert [session.table(name).collect()[0][0] for name in ("ta", "tb")] == ["BIG", "OWN"]
    assert session.get_current_warehouse() == '"OWN"'
    session.close()
