"""The example in Airflow, in a separate environment."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from tests.accounts import account
from tests.conftest import ask
from tests.integrations.environments import python_of
from tests.integrations.orders import (
    DATE,
    RUNNING,
    Found,
    check_failed,
    environment,
    failing_spec,
    found,
    last_line,
    served_spec,
    states,
)

pytestmark = pytest.mark.integrations
RUN = Path(__file__).with_name("airflow_run.py")
APART = Path(__file__).with_name("airflow_apart.py")


def environment_of(spec: Path, home: Path) -> dict[str, str]:
    """The environment of Airflow's processes, with a separate database."""
    return {
        **environment(spec),
        "ORDERS_SPEC": str(spec),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(spec.parent),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "PATH": f"{python_of('airflow').parent}:{environment(spec)['PATH']}",
    }


def call(spec: Path, home: Path, *command: object) -> str:
    done = subprocess.run(
        [python_of("airflow"), "-W", "ignore", *command],
        env=environment_of(spec, home),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def airflow(spec: Path, home: Path, *days: str) -> list[dict[str, Any]]:
    call(spec, home, "-m", "airflow", "db", "migrate")
    file = shutil.copy(RUN, spec.parent)  # Airflow runs only what it has read from its folder of DAGs
    return list(last_line(call(spec, home, file, *days)))


def asset_events(home: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The details that Airflow has of each asset event, by the name of the asset and the index of the mapped task."""
    query = "SELECT name, source_map_index, e.extra FROM asset_event e JOIN asset a ON a.id = e.asset_id ORDER BY e.id"
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        return {(name, index): json.loads(extra) for name, index, extra in database.execute(query)}


def test_tasks_leave_what_the_command_leaves(spec: Path, by_command: Found, tmp_path: Path) -> None:
    (run,) = airflow(spec, tmp_path / "airflow", DATE)
    assert run["state"] == "success"
    assert run["tasks"].pop("audit-1")[0] == "skipped"
    assert {name for name, (_, tries) in run["tasks"].items() if tries == 2} == {
        "fetch_orders-1",
        "fetch_returns-1",
    }
    assert {state for state, _ in run["tasks"].values()} == {"success"}
    assert {"by_region0", "by_region1", "begin-1", "finish-1", "setup-1"} <= set(run["tasks"])
    assert found(spec) == by_command
    told = asset_events(tmp_path / "airflow")
    rows = {key: extra.get("rows") for key, extra in told.items()}
    assert rows == {
        ("orders/local/all_orders", -1): 1428,
        ("orders/local/all_returns", -1): 84,
        ("orders/local/sold", -1): 1344,
        ("orders/local/daily_north", 0): 90,
        ("orders/local/daily_south", 0): None,
        ("orders/local/daily_north", 1): None,
        ("orders/local/daily_south", 1): 90,
        ("orders/local/forecasts", -1): 166,
        ("orders/local/metrics", -1): 2,
    }
    assert told["orders/local/daily_south", 0] == {}
    scored = told["orders/local/metrics", -1]
    assert scored["rmse"] > 0
    assert Path(scored["report"]).is_file()


def test_a_backfill_has_metrics_of_each_date(spec: Path, tmp_path: Path) -> None:
    days = ["2022-04-30", "2022-05-31", "2022-06-30"]
    runs = airflow(spec, tmp_path / "airflow", *days)
    assert [run["state"] for run in runs] == ["success"] * 3
    assert ask(
        Pipeline.from_yaml(spec), "SELECT RUN_DATE::VARCHAR, COUNT(*) FROM METRICS GROUP BY 1 ORDER BY 1"
    ) == [(day, 2) for day in days]
    assert states(spec) == [("success", 3)]


def test_a_step_that_fails_in_a_group_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERS_GROUP", "sales")
    spec = failing_spec(tmp_path / "failing")
    (run,) = airflow(spec, tmp_path / "airflow", DATE)
    assert run["state"] == "failed"
    assert {name.removeprefix("sales."): ended for name, ended in run["tasks"].items()} == {
        "begin-1": ["success", 1],
        "a-1": ["success", 1],
        "strict-1": ["failed", 1],
        "after_strict-1": ["upstream_failed", 0],
        "bad-1": ["failed", 1],
        "after_bad-1": ["upstream_failed", 0],
        "finish-1": ["success", 1],
    }
    check_failed(spec)


def test_a_task_with_a_connection_of_airflow_is_killed(tmp_path: Path) -> None:
    """The spec itself cannot reach the account. Airflow calls ``on_kill`` in the process of the task."""
    with account(tmp_path) as served:
        spec = served_spec(tmp_path)
        given = served.parameters()
        connection = {
            "conn_type": "snowflake",
            "login": given.pop("user"),
            "password": given.pop("password"),
            "host": given.pop("host"),
            "port": int(given.pop("port")),
            "extra": given,
        }
        done = subprocess.run(
            [python_of("airflow"), "-W", "ignore", APART, spec],
            env={
                **environment_of(spec, tmp_path / "airflow"),
                "AIRFLOW_CONN_SERVED": json.dumps(connection),
                "SF_TELEMETRY_ENABLED": "false",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told = last_line(done.stdout)
        assert "canceled" in told["error"]
        assert told["key"] == ["DER", "private_key", "user"]
        assert served.ask(RUNNING) == [(0,)]
