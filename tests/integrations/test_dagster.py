"""The example in Dagster, in a separate environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from tests.accounts import account
from tests.conftest import ask, write_spec
from tests.integrations.environments import python_of
from tests.integrations.orders import (
    DATE,
    Found,
    check_failed,
    environment,
    failing_spec,
    found,
    last_line,
    served_spec,
    small_spec,
    states,
)

pytestmark = pytest.mark.integrations
RUN = Path(__file__).with_name("dagster_run.py")
DRAWN = Path(__file__).with_name("dagster_drawn.py")
MADE = {
    "fetch_orders",
    "fetch_returns",
    "load_orders",
    "load_returns",
    "sold",
    "by_region",
    "forecast",
    "score",
}


def dagster(spec: Path, mode: str, *dates: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [python_of("dagster"), "-W", "ignore", RUN, spec, mode, *(dates or (DATE,))],
        env=environment(spec),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return list(last_line(done.stdout))


def test_a_run_of_all_assets_and_one_of_nothing_new(spec: Path, by_command: Found) -> None:
    first, second = dagster(spec, "whole")
    assert first["ok"]
    assert second["ok"]
    assert set(first["assets"]) == MADE == set(second["assets"])
    assert {asset["status"] for asset in second["assets"].values()} == {"unchanged"}
    assert first["assets"]["sold"]["rows"] == second["assets"]["sold"]["rows"] == 1344
    assert all(first["assets"][n]["version"] == second["assets"][n]["version"] for n in MADE)
    assert first["checks"] == second["checks"] == {"check_amounts": [False, "WARN"]}
    assert Path(first["assets"]["sold"]["report"]).is_file()
    assert found(spec, runs=2).tables == by_command.tables


def test_one_run_leaves_what_the_command_leaves(spec: Path, by_command: Found) -> None:
    (result,) = dagster(spec, "ops")
    assert result["ok"]
    assert set(result["assets"]) == MADE
    assert result["checks"] == {"check_amounts": [False, "WARN"]}
    assert result["retried"] == ["orders__fetch_orders", "orders__fetch_returns"]
    assert found(spec) == by_command


def test_a_part_of_the_assets(spec: Path) -> None:
    results = dagster(spec, "subset")
    assert [set(result["assets"]) for result in results] == [MADE, {"sold"}, {"by_region"}]
    assert all(result["ok"] for result in results)


def test_a_backfill_has_metrics_of_each_date(spec: Path) -> None:
    dates = ["2022-04-30", "2022-05-31", "2022-06-30"]
    (result,) = dagster(spec, "backfill", *dates)
    assert result["ok"]
    pipeline = Pipeline.from_yaml(spec)
    assert ask(pipeline, "SELECT RUN_DATE::VARCHAR, COUNT(*) FROM METRICS GROUP BY 1 ORDER BY 1") == [
        (date, 2) for date in dates
    ]


@pytest.mark.parametrize("mode", ["once", "ops"])
def test_a_step_that_fails_and_a_check_that_blocks(tmp_path: Path, mode: str) -> None:
    spec = failing_spec(tmp_path / "failing")
    result = dagster(spec, mode)[0]
    assert not result["ok"]
    assert set(result["assets"]) == {"a"}
    assert result["checks"] == {"strict": [False, "ERROR"]}
    assert result["retried"] == []
    if mode == "once":
        check_failed(spec)
    else:  # Dagster runs nothing downstream of an asset whose check blocks
        pipeline = Pipeline.from_yaml(spec)
        assert ask(pipeline, "SELECT STATUS FROM SNOWPIPE_ML.RUNS") == [("failed",)]
        assert ask(
            pipeline,
            "SELECT STEP, STATUS, MESSAGE FROM SNOWPIPE_ML.STEP_RUNS WHERE STEP LIKE '%bad' ORDER BY 1",
        ) == [
            ("after_bad", "skipped", "it was not started"),
            ("bad", "skipped", "it was not started"),
        ]


def test_a_run_that_was_left_unfinished_does_not_stop_the_next(tmp_path: Path) -> None:
    spec = small_spec(tmp_path / "small")
    (result,) = dagster(spec, "left")
    assert result["ok"]
    assert states(spec) == [("canceled", 1), ("success", 2)]


CHAIN = """\
steps:
  a: {type: transform, query: "SELECT 1 AS X", writes: ta}
  b: {type: transform, query: "SELECT X + 1 AS X FROM {{ ref('ta') }}", writes: tb}
  c: {type: transform, query: "SELECT X FROM {{ ref('tb') }}", writes: tc}
"""


def test_what_dagster_calls_stale(tmp_path: Path) -> None:
    (tmp_path / "failures").mkdir()
    fresh = dict.fromkeys("abc", "FRESH")
    assert dagster(write_spec(tmp_path, CHAIN), "stale") == [
        fresh,
        fresh,
        {**fresh, "b": "STALE"},
        fresh,
    ]


def test_a_translator_and_sessions_of_the_caller(tmp_path: Path) -> None:
    with account(tmp_path) as served:
        spec = served_spec(tmp_path)
        done = subprocess.run(
            [python_of("dagster"), "-W", "ignore", DRAWN, spec],
            env={
                **environment(spec),
                "SERVED": json.dumps(served.parameters()),
                "SF_TELEMETRY_ENABLED": "false",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert last_line(done.stdout) == {
            "ok": True,
            "key": ["lake", "a"],
            "group": "served_transform",
            "kinds": ["sql"],
            "owners": ["team:data"],
            "tags": ["snowpipe_ml/daily"],
            "made": [["lake", "a"]],
        }
        assert served.ask("SELECT X FROM DEMO.PUBLIC.TA") == [(1,)]
