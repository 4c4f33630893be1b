"""The lease that allows only one run of a pipeline at a time."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.events import StepStarted
from snowpipe_ml.engine.records.lock import COLUMNS, RunLock, owner
from snowpipe_ml.errors import LockedError
from snowpipe_ml.sql import QualifiedName
from tests import forked
from tests.conftest import write_spec

SLOW = """\
steps:
  first: {type: transform, query: SELECT 1 AS X, writes: one}
  slow: {type: transform, query: "SELECT SYSTEM$WAIT(30) AS X FROM {{ ref('one') }}", writes: slow}
"""


def start(path: Path) -> forked.Process:
    process = forked.start_command("run", path, new_session=True)
    assert process.stdout is not None
    while "first" not in (line := process.stdout.readline()):
        assert line, "the run ended"
    return process


def test_of_two_runs_one_runs_and_the_lock_of_a_killed_one_is_taken_over(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SLOW)
    process = start(path)
    try:
        second = forked.command("run", path, timeout=120)
        assert second.returncode == 4, second.stdout + second.stderr
        assert f"is being run on local by {owner().rpartition(' ')[0]} {process.pid} (run 2" in second.stderr
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    write_spec(tmp_path, SLOW.replace("SYSTEM$WAIT(30)", "2"))
    assert Pipeline.from_yaml(path).run().ok


def test_a_run_that_was_believed_dead_publishes_nothing(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SLOW.replace("SYSTEM$WAIT(30)", "2")))
    other = pipeline.session()

    def take_over(event: Any) -> None:
        if isinstance(event, StepStarted) and event.step == "slow":
            other.sql("UPDATE SNOWPIPE_ML.LOCKS SET RUN_ID = 'another', TOKEN = TOKEN + 1").collect()

    result = pipeline.run(listeners=[take_over])
    assert isinstance(result.steps["slow"].error, LockedError)
    assert "has lost its lock" in result.steps["slow"].message
    assert not other.sql("SHOW TABLES LIKE 'SLOW'").collect()
    assert [row[0] for row in other.sql("SELECT RUN_ID FROM SNOWPIPE_ML.LOCKS").collect()] == ["another"]
    other.close()


@pytest.fixture
def locks(session: Any) -> Any:
    session.sql(f"CREATE TABLE LOCKS ({COLUMNS})").collect()
    return lambda run: RunLock(session.connection, QualifiedName.parse("LOCKS"), "p", "t", run, 100)


def test_who_has_it_keeps_it_until_it_expires(locks: Any, session: Any) -> None:
    first, second = locks("one"), locks("two")
    first.take()
    with pytest.raises(LockedError, match=r"p is being run on t by .* \(run one\)"):
        second.take()
    first.check(lambda statement: session.sql(statement.text).collect())
    first.take()  # the run is resumed, so the earlier process with the same id can no longer publish
    assert first.token == 2
    first.release()
    second.take()
    assert second.token == 3
    with pytest.raises(LockedError, match="has lost its lock"):
        first.check(lambda statement: session.sql(statement.text).collect())
    first.release()
    second.check(lambda statement: session.sql(statement.text).collect())


def test_a_run_that_was_resumed_elsewhere_does_not_release_the_lock(locks: Any, session: Any) -> None:
    first, again = locks("one"), locks("one")
    first.take()
    again.take()
    first.release()
    again.check(lambda statement: session.sql(statement.text).collect())
    again.release()
    locks("two").take()


def test_an_expired_lock_is_taken_over_and_a_renewed_one_is_not(locks: Any, session: Any) -> None:
    first, second = locks("one"), locks("two")

    def expires_in(seconds: int) -> None:
        session.sql(f"UPDATE LOCKS SET EXPIRES_AT = DATEADD(second, {seconds}, SYSDATE())").collect()

    first.take()
    expires_in(-1)
    first.renew()  # the renewal is not due yet, so no statement is sent
    first._renewed -= 40
    first.renew()
    with pytest.raises(LockedError):
        second.take()
    expires_in(-1)
    second.take()
    with pytest.raises(LockedError):
        first.check(lambda statement: session.sql(statement.text).collect())


def test_two_that_made_a_row_each_both_let_go(locks: Any, session: Any) -> None:
    first, second = locks("one"), locks("two")
    first.take()
    session.sql("INSERT INTO LOCKS VALUES ('p', 't', NULL, NULL, 0, NULL)").collect()
    with pytest.raises(LockedError):
        second.take()
    first.check(lambda statement: session.sql(statement.text).collect())
