"""The example in Prefect, in a separate environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.accounts import account
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
RUN = Path(__file__).with_name("prefect_run.py")


def prefect(spec: Path, home: Path, *left: str, **more: str) -> Any:
    done = subprocess.run(
        [python_of("prefect"), "-W", "ignore", RUN, spec, DATE, *left],
        env={**environment(spec), "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", **more},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return last_line(done.stdout)


def test_a_flow_leaves_what_the_command_leaves(spec: Path, by_command: Found, tmp_path: Path) -> None:
    shown = prefect(spec, tmp_path / "prefect")
    assert shown["state"] == "Completed"
    assert shown["tasks"].pop("audit") == ["Omitted", 1]
    assert shown["tasks"].pop("fetch_orders") == shown["tasks"].pop("fetch_returns") == ["Completed", 2]
    assert {tuple(state) for state in shown["tasks"].values()} == {("Completed", 1)}
    assert shown["artifacts"] == ["orders-report", "orders-steps"]
    assert found(spec) == by_command


def test_a_step_that_fails_is_not_tried_again(tmp_path: Path) -> None:
    spec = failing_spec(tmp_path / "failing")
    shown = prefect(spec, tmp_path / "prefect")
    assert shown["state"] == "Failed"
    assert shown["tasks"]["a"] == ["Completed", 1]
    assert shown["tasks"]["bad"] == shown["tasks"]["strict"] == ["Failed", 1]
    check_failed(spec)


def test_a_run_that_was_left_unfinished_does_not_stop_the_next(tmp_path: Path) -> None:
    spec = small_spec(tmp_path / "small")
    shown = prefect(spec, tmp_path / "prefect", "left")
    assert shown["state"] == "Completed"
    assert states(spec) == [("success", 2)]


def test_a_connection_in_a_block(tmp_path: Path) -> None:
    with account(tmp_path) as served:
        given = json.dumps(served.parameters())
        spec = served_spec(tmp_path)
        shown = prefect(spec, tmp_path / "prefect", SERVED=given, SF_TELEMETRY_ENABLED="false")
        assert shown["state"] == "Completed"
        assert shown["tasks"]["a"] == ["Completed", 1]
        assert served.ask("SELECT X FROM DEMO.PUBLIC.TA") == [(1,)]
