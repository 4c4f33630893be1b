"""When the process that holds a warehouse ends, others continue, with as many sessions as they need."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snowpipe_ml.local import connect
from tests.conftest import write_spec
from tests.forked import Process

PATIENCE = 120  # seconds; far more than any action takes, on a busy machine too


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Start Python processes, which are killed at the end of the test."""
    started: list[Process] = []

    def run(code: str, *arguments: object) -> Process:
        process = Process(code, *arguments)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def line(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: Process) -> None:
    print("go on", file=process.stdin, flush=True)


class Ending(logging.Handler):
    """Closes the warehouse's holder in a thread; ``with`` continues once it waits for others or is done."""

    def __init__(self, end: Callable[[], object]) -> None:
        super().__init__()
        self._begun = threading.Event()
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(end,))

    def _run(self, end: Callable[[], object]) -> None:
        try:
            end()
        except BaseException as raised:
            self._failures.append(raised)
        finally:
            self._begun.set()

    def emit(self, record: logging.LogRecord) -> None:
        if "waiting for other processes" in record.getMessage():
            self._begun.set()

    def __enter__(self) -> None:
        logging.getLogger("snowpipe_ml.local").addHandler(self)
        self._thread.start()
        assert self._begun.wait(PATIENCE)

    def __exit__(self, *_: object) -> None:
        self._thread.join(PATIENCE)
        logging.getLogger("snowpipe_ml.local").removeHandler(self)
        assert not self._thread.is_alive()
        assert self._failures == []


ANOTHER_SESSION = """
import sys
from snowpipe_ml.local import connect
first = connect(sys.argv[1], "D")
first.cursor().execute("BEGIN")
first.cursor().execute("INSERT INTO t VALUES (1)")
print("in", flush=True)
sys.stdin.readline()
second = connect(sys.argv[1], "D")
second.cursor().execute("INSERT INTO t VALUES (2)")
first.cursor().execute("COMMIT")
first.close()
second.cursor().execute("INSERT INTO t VALUES (3)")
second.close()
print("done", flush=True)
"""


def test_who_works_through_a_holder_that_ends_gets_further_sessions(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    holder = connect(tmp_path, "D")
    holder.cursor().execute("CREATE TABLE t (n INT)")
    other = start(ANOTHER_SESSION, tmp_path)
    assert line(other) == "in"
    with Ending(holder.close):
        go_on(other)
        said, errors = other.communicate(timeout=PATIENCE)
        assert said == "done\n", errors
    with connect(tmp_path, "D", share=False) as connection:
        assert connection.cursor().execute("SELECT n FROM t ORDER BY n").fetchall() == [(1,), (2,), (3,)]


# The first step ends on a signal; the next three steps continue only once each of them has a Session.
RUN = """
import sys
import threading
from snowpipe_ml import Pipeline
from snowpipe_ml.plugins import Step, StepResult, StepSettings, register

together = threading.Barrier(3, timeout=120)

@register("wait_for_word")
class WaitForWord(Step):
    Settings = StepSettings

    def run(self, ctx):
        print("working", flush=True)
        sys.stdin.readline()
        return StepResult()

@register("meet")
class Meet(Step):
    Settings = StepSettings

    def run(self, ctx):
        together.wait()
        ctx.session.sql("SELECT 1").collect()
        return StepResult()

result = Pipeline.from_yaml(sys.argv[1]).run(threads=3)
print({name: step.message for name, step in result.steps.items() if not step.status.good}, result.ok, flush=True)
"""
WAITS_AND_SPREADS = """\
steps:
  first: {type: wait_for_word}
  a: {type: meet, needs: [first]}
  b: {type: meet, needs: [first]}
  c: {type: meet, needs: [first]}
"""


def test_a_run_goes_on_when_the_process_that_held_the_warehouse_has_ended_its_own(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    spec = write_spec(tmp_path, WAITS_AND_SPREADS)
    holder = connect(tmp_path / "warehouse", "DEMO")
    other = start(RUN, spec)
    assert line(other) == "working"
    with Ending(holder.close):
        go_on(other)
        try:
            said, errors = other.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            other.kill()
            pytest.fail("the run waits for a session that it does not get")
        assert said == "{} True\n", errors


ENDS_WITHOUT_CLOSING = """
import sys
from snowpipe_ml.local import connect
connection = connect(sys.argv[1], "D")
cursor = connection.cursor()
cursor.execute("CREATE TABLE p AS SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 4))")
cursor.execute('''CREATE FUNCTION same(n INT) RETURNS TABLE (m INT) LANGUAGE PYTHON RUNTIME_VERSION = '3.11'
    PACKAGES = () HANDLER = 'Same' AS $$
class Same:
    def process(self, n):
        yield (n,)
$$''')
print("ready", flush=True)
sys.stdin.readline()
"""
WORKS_ON = """
import sys
from snowpipe_ml.local import connect
first = connect(sys.argv[1], "D")
print("in", flush=True)
sys.stdin.readline()
cursor = connect(sys.argv[1], "D").cursor()
print(cursor.execute("SELECT SUM(s.m) FROM p, TABLE(same(p.n) OVER (PARTITION BY p.n)) s").fetchall(), flush=True)
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="an interpreter that ends starts no further thread")
def test_a_holder_that_ends_without_closing_still_runs_the_functions_of_others(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    holder = start(ENDS_WITHOUT_CLOSING, tmp_path)
    assert line(holder) == "ready"
    other = start(WORKS_ON, tmp_path)
    assert line(other) == "in"
    go_on(holder)
    assert holder.stderr is not None
    assert "waiting for other processes" in holder.stderr.readline()
    go_on(other)
    said, errors = other.communicate(timeout=PATIENCE)
    assert said == "[(6,)]\n", errors
    _, told = holder.communicate(timeout=PATIENCE)
    assert (holder.returncode, told) == (0, "")
