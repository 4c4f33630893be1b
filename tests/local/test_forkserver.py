"""The process that forks the workers of Python functions is killed, as by the kernel when memory is short."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml.local.python import forkserver

HEAD = "LANGUAGE PYTHON RUNTIME_VERSION = '3.11'"


def make(query: Any, name: str, body: str) -> None:
    query(f"CREATE FUNCTION {name}(n INT) RETURNS INT {HEAD} PACKAGES = () HANDLER = 'h' AS $$\n{body}\n$$")


def kill_starter(query: Any, name: str) -> None:
    """Kill the parent of a worker, which is the process that forks all workers."""
    make(query, name, "import os\ndef h(n): return os.getppid()")
    ((pid,),) = query(f"SELECT {name}(1)")
    assert pid not in (1, os.getpid())
    os.kill(pid, signal.SIGKILL)


def test_a_new_function_runs_after_the_process_that_starts_workers_was_killed(query: Any) -> None:
    kill_starter(query, "parent_pid")
    make(query, "plus_one", "def h(n): return n + 1")
    assert query("SELECT plus_one(1)") == [(2,)]


@pytest.mark.slow
def test_it_may_be_killed_again(query: Any) -> None:
    for turn in range(2):
        kill_starter(query, f"parent_pid_{turn}")
    make(query, "plus_one", "def h(n): return n + 1")
    assert query("SELECT plus_one(1)") == [(2,)]


def test_a_function_whose_worker_was_killed_with_it_runs_again(query: Any) -> None:
    make(query, "own_pid", "import os\ndef h(n): return os.getpid() if n else os.getppid()")
    ((worker, starter),) = query("SELECT own_pid(1), own_pid(0)")
    os.kill(starter, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(SnowparkSQLException, match="the worker process"):
        query("SELECT own_pid(1)")
    ((again,),) = query("SELECT own_pid(1)")
    assert again not in (worker, starter)


def test_several_workers_are_started_at_once_after_it_was_killed(query: Any) -> None:
    kill_starter(query, "parent_pid")
    query(
        f"CREATE FUNCTION each_row(n INT) RETURNS TABLE (m INT) {HEAD} PACKAGES = () HANDLER = 'Each' "
        "AS $$\nclass Each:\n    def process(self, n):\n        yield (n,)\n$$"
    )
    query("CREATE TABLE p AS SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 40))")
    assert query("SELECT SUM(e.m) FROM p, TABLE(each_row(p.n) OVER (PARTITION BY p.n)) e") == [(780,)]


def test_procedures_run_after_the_process_that_starts_theirs_was_killed(query: Any) -> None:
    for name, body in (
        ("parent", "import os\ndef h(session): return os.getppid()"),
        ("add", "def h(session): return session.sql('SELECT 40 + 2').collect()[0][0]"),
    ):
        query(
            f"CREATE PROCEDURE {name}() RETURNS INT {HEAD} PACKAGES = ('snowflake-snowpark-python') HANDLER = 'h' "
            f"AS $$\n{body}\n$$"
        )
    ((pid,),) = query("CALL parent()")
    os.kill(pid, signal.SIGKILL)
    assert query("CALL add()") == [(42,)]


def test_a_process_that_cannot_start_workers_is_an_error_of_the_statement(
    query: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(query, "plus_one", "def h(n): return n + 1")

    def fail(*_: object) -> None:
        raise EOFError

    monkeypatch.setattr(forkserver.ForkServer, "_fork", fail)
    with pytest.raises(SnowparkSQLException, match="the worker processes of functions died twice") as caught:
        query("SELECT plus_one(1)")
    assert "DuckDB" not in str(caught.value)
    monkeypatch.undo()
    assert query("SELECT plus_one(1)") == [(2,)]
