"""Budgets of runs and steps in credits, and the estimates of ``plan --cost``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.engine.records.rates import credits_per_hour
from snowpipe_ml.engine.run.budgets import Budgets
from snowpipe_ml.errors import UsageError
from tests.conftest import ask, write_spec
from tests.gate import LONG

SPEC = """\
vars: {wait: 0}
warehouses: {small_wh: {}, large_wh: {size: x6large, generation: 1}, own_wh: {type: adaptive}}
steps:
  first: {type: transform, query: SELECT 1 AS X, writes: one}
  slow:
    type: transform
    query: "SELECT SYSTEM$WAIT({{ vars.wait | literal }}) AS WAITED, X FROM {{ ref('one') }}"
    writes: slow
    warehouse: large_wh
  last: {type: transform, query: "SELECT X FROM {{ ref('slow') }}", writes: last, warehouse: small_wh}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose warehouse stays open, so that opening it again costs nothing."""
    held = snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO")
    yield tmp_path
    held.close()


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        (("xsmall", "standard", "", ""), 1),
        (("X-Small", "STANDARD", "1", ""), 1),
        (("large", "standard", "2", ""), 10.8),
        (("X4LARGE", "standard", "", ""), 128),
        (("4X-Large", "STANDARD", "", ""), 128),
        (("x6large", "standard", "", ""), 512),
        (("x6large", "standard", "2", ""), 512),
        (("medium", "snowpark-optimized", "", ""), 6),
        (("Medium", "SNOWPARK-OPTIMIZED", "", "MEMORY_16X_x86"), 6),
        (("xsmall", "snowpark-optimized", "", "MEMORY_1X"), 1),
        (("large", "snowpark-optimized", "", "MEMORY_64X"), None),
        (("", "ADAPTIVE", "", ""), None),
    ],
)
def test_credits_per_hour(settings: tuple[str, str, str, str], rate: float | None) -> None:
    assert credits_per_hour(*settings) == rate


def test_a_step_is_canceled_before_it_passes_its_budget(folder: Path) -> None:
    # An hour costs 512 credits, so the step may run for three seconds.
    text = SPEC.replace("warehouse: large_wh", f"warehouse: large_wh\n    budget: {512 * 3 / 3600}")
    result = Pipeline.from_yaml(write_spec(folder, text), {"wait": LONG}).run()
    assert not result.ok
    slow = result.steps["slow"]
    assert slow.status.value == "failed"
    told = r"canceled after \d+ s, to stay within its budget of 0.426667 credits: its warehouse uses 512 credits "
    assert re.match(told, slow.message)
    assert slow.seconds is not None
    assert slow.seconds < LONG / 2
    assert {name: step.status.value for name, step in result.steps.items() if name in ("first", "last")} == {
        "first": "success",
        "last": "skipped",
    }
    assert ask(Pipeline.from_yaml(write_spec(folder, text)), "SHOW TABLES LIKE 'SLOW'") == []

    # Without the budget, the run is resumed; fingerprints do not contain a budget.
    resumed = Pipeline.from_yaml(write_spec(folder, SPEC), {"wait": 0}).run(resume=True)
    assert {
        name: step.status.value for name, step in resumed.steps.items() if name in ("first", "slow", "last")
    } == {
        "first": "reused",
        "slow": "success",
        "last": "success",
    }


def test_a_run_is_canceled_before_it_passes_its_budget(folder: Path) -> None:
    text = f"budget: {512 * 3 / 3600}\n{SPEC}"
    result = Pipeline.from_yaml(write_spec(folder, text), {"wait": LONG}).run()
    assert "to stay within the budget of the run, 0.426667 credits" in result.steps["slow"].message
    assert result.steps["last"].status.value == "skipped"


def test_a_step_that_used_more_before_is_not_started(folder: Path) -> None:
    path = write_spec(folder, SPEC)
    pipeline = Pipeline.from_yaml(path)
    assert pipeline.run().ok
    ask(
        pipeline, "UPDATE SNOWPIPE_ML.EVENTS SET SECONDS = 36 WHERE STEP = 'slow' AND EVENT = 'step_finished'"
    )
    estimated = CliRunner().invoke(main, ["plan", str(path), "--cost", "--var", "wait=1"])
    assert re.search(r"slow │ +36 │ +5.12 │", estimated.output), estimated.output
    assert "about 5.12 credits, by the last five successes of each step" in " ".join(estimated.output.split())
    steps = json.loads(
        CliRunner().invoke(main, ["plan", str(path), "--cost", "--json", "--var", "wait=1"]).stdout
    )
    assert {step["name"]: step["estimate"] for step in steps}["slow"] == {"seconds": 36.0, "credits": 5.12}

    path.write_text(path.read_text() + "budget: 5\n")
    result = Pipeline.from_yaml(path, {"wait": 1}).run()
    assert not result.ok
    assert result.steps["slow"].message == (
        "not started, to stay within the budget of the run: 0 of 5 credits are used, and slow used 5.12 before. "
        "Raise `budget` and resume the run"
    )
    assert result.steps["last"].status.value == "skipped"


def test_a_warehouse_without_a_known_rate_can_have_no_budget(folder: Path) -> None:
    text = SPEC.replace("warehouse: large_wh", "warehouse: own_wh\n    budget: 1")
    with pytest.raises(
        UsageError, match="the step slow runs on the warehouse OWN_WH, whose credits per hour"
    ):
        Pipeline.from_yaml(write_spec(folder, text)).run()


def test_steps_that_run_at_once_share_the_budget_of_the_run(folder: Path) -> None:
    at = [0.0]
    loaded, graph, _ = Pipeline.from_yaml(write_spec(folder, SPEC)).load()
    assert loaded.pipeline.budget is None
    budgets = Budgets(
        10.0, {"first": 3600.0, "slow": 3600.0, "last": 3600.0}, {"last": 5.0}, clock=lambda: at[0]
    )
    budgets.start("first")
    budgets.start("slow")
    at[0] = 3.0  # six credits are used
    assert list(budgets.passed(graph.nodes)) == []
    assert budgets.start("last") is not None
    budgets.end("first")
    at[0] = 5.0  # eight: three of the step that has ended
    assert list(budgets.passed(graph.nodes)) == []
    at[0] = 6.0
    assert [name for name, _ in budgets.passed(graph.nodes)] == ["slow"]


def test_estimates_need_a_target(folder: Path) -> None:
    refused = CliRunner().invoke(main, ["plan", str(write_spec(folder, SPEC)), "--cost", "--offline"])
    assert refused.exit_code == 2
    assert "--cost needs the records of earlier runs" in refused.output
