"""A run that is killed on an account: what it left running is canceled before another run goes on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.doctor.script import privileges
from tests import forked
from tests.accounts import TARGET, Account, account
from tests.gate import LONG, SOON, eventually

SPEC = f"""\
name: demo
{TARGET}vars: {{wait: 0}}
steps:
  first: {{type: transform, query: SELECT 1 AS X, writes: one}}
  slow:
    type: transform
    query: "SELECT SYSTEM$WAIT({{{{ vars.wait | literal }}}}) AS WAITED, X FROM {{{{ ref('one') }}}}"
    writes: slow
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Account]:
    with account(tmp_path) as opened:
        (tmp_path / "spec.yaml").write_text(SPEC)
        yield opened


def waiting(served: Account, status: str = "RUNNING", words: str = "CREATE") -> list[tuple[Any, ...]]:
    """The executions of the long statement: status, error code, start, end and session."""
    return served.ask(
        "SELECT EXECUTION_STATUS, ERROR_CODE, START_TIME, END_TIME, SESSION_ID "
        "FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 10000)) "
        f"WHERE QUERY_TEXT LIKE '%SYSTEM$WAIT(%' AND QUERY_TEXT LIKE '{words}%' "
        f"AND EXECUTION_STATUS LIKE '{status}' ORDER BY START_TIME"
    )


def start(served: Account, words: str = "CREATE") -> forked.Process:
    """Start a run, and wait until its long statement runs."""
    process = served.start("run", "spec.yaml", "--var", f"wait={LONG}")

    def begun() -> bool:
        assert process.poll() is None, process.communicate()
        return bool(waiting(served, words=words))

    eventually(begun)
    return process


def resume(served: Account, wait: int = 0) -> None:
    done = served.command("run", "spec.yaml", "--var", f"wait={wait}", "--resume")
    assert done.returncode == 0, done.stdout + done.stderr


def check_executions(served: Account) -> None:
    """Exactly one execution was published, after the first one had been canceled."""
    first, second = waiting(served, "%")
    assert (first[0], first[1]) == ("FAILED_WITH_ERROR", 604)
    assert second[0] == "SUCCESS"
    assert first[3] < second[2]
    assert served.ask("SELECT WAITED FROM SLOW") == [("waited 0 seconds",)]


def test_a_statement_of_a_killed_run_is_canceled_before_the_run_is_resumed(served: Account) -> None:
    process = start(served)
    eventually(lambda: bool(served.ask("SELECT 1 FROM SNOWPIPE_ML.EVENTS WHERE EVENT = 'session_opened'")))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(SOON)
    assert len(waiting(served)) == 1  # an account does not notice that its client is gone
    resume(served)
    check_executions(served)
    ((status,),) = served.ask("SELECT STATUS FROM SNOWPIPE_ML.RUNS")
    assert status == "success"


@pytest.mark.slow
def test_another_run_cancels_it_too(served: Account) -> None:
    process = start(served)
    # Without the record of the session, as if the process had died before it was written: the query tag is enough.
    served.ask("DELETE FROM SNOWPIPE_ML.EVENTS WHERE EVENT = 'session_opened'")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(SOON)
    ((tag,),) = served.ask(
        "SELECT QUERY_TAG FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY()) "
        "WHERE EXECUTION_STATUS = 'RUNNING' AND QUERY_TAG <> ''"
    )
    assert json.loads(tag) | {"run": ""} == {
        "pipeline": "demo",
        "target": "prod",
        "records": "DEMO.SNOWPIPE_ML",
        "run": "",
        "step": "slow",
    }
    done = served.command("run", "spec.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    check_executions(served)


@pytest.mark.slow
def test_sigterm_cancels_what_runs_and_records_the_end(served: Account) -> None:
    process = start(served)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(SOON)
    assert process.returncode in (130, 143), output + errors
    assert not waiting(served)
    ((status, finished),) = served.ask("SELECT STATUS, FINISHED_AT IS NOT NULL FROM SNOWPIPE_ML.RUNS")
    assert (status, finished) == ("failed", True)
    assert served.ask("SELECT RUN_ID FROM SNOWPIPE_ML.LOCKS") == [(None,)]
    resume(served)
    check_executions(served)


APPENDED = """\
name: demo
targets: {prod: {type: snowflake, connection: served, database: OWN, role: runner, warehouse: run_wh}}
warehouses: {run_wh: {size: xsmall}}
vars: {wait: 0}
steps:
  slow:
    type: transform
    materialized: incremental
    since: N
    query: "SELECT {{ vars.wait | literal }} AS N, SYSTEM$WAIT({{ vars.wait | literal }}) AS WAITED"
    writes: slow
"""


@pytest.mark.slow
def test_rows_that_a_killed_run_was_appending_are_appended_once(tmp_path: Path) -> None:
    """On an account where the role has only the documented privileges."""
    with account(tmp_path, strict=True) as served:
        spec = tmp_path / "spec.yaml"
        spec.write_text(APPENDED)
        for statement in privileges(Pipeline.from_yaml(spec), "prod").script:
            served.ask(str(statement))
        done = served.command("run", spec)
        assert done.returncode == 0, done.stdout + done.stderr
        served.ask("USE WAREHOUSE RUN_WH")
        process = start(served, "CREATE OR REPLACE TEMPORARY TABLE")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(SOON)
        resume(served, wait=1)
        first, second = waiting(served, "%", "CREATE OR REPLACE TEMPORARY TABLE")
        assert (first[0], first[1], second[0]) == ("FAILED_WITH_ERROR", 604, "SUCCESS")
        assert first[3] < second[2]
        assert served.ask("SELECT N FROM OWN.PUBLIC.SLOW ORDER BY N") == [(0,), (1,)]
