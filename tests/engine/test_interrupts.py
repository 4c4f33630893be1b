"""Pressing Ctrl-C once and twice."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from tests import forked
from tests.conftest import ask, write_spec
from tests.gate import SOON, eventually

SLOW = """\
steps:
  many: {type: transform, query: "SELECT SEQ4() AS X FROM TABLE(GENERATOR(ROWCOUNT => 300000))", writes: many}
  slow: {type: transform, query: "SELECT COUNT(*) AS N FROM {{ ref('many') }} A, {{ ref('many') }} B WHERE MD5(A.X || '-' || B.X) = 'x'", writes: slow}
  after: {type: transform, query: "SELECT * FROM {{ ref('slow') }}", writes: after}
"""


@contextmanager
def running(path: Path) -> Iterator[forked.Process]:
    """Start ``snowpipe-ml run`` in a process that receives Ctrl-C, however the tests were started."""
    process = forked.start_command("run", path, merged=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("pause", [0, pytest.param(1.0, marks=pytest.mark.slow)])
def test_ctrl_c_cancels_what_runs_and_the_run_can_be_resumed(tmp_path: Path, pause: float) -> None:
    path = write_spec(tmp_path, SLOW)
    with running(path) as process:
        assert process.stdout is not None
        while "many" not in (line := process.stdout.readline()):
            assert line, "the run ended"
        time.sleep(pause)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "after" in output
    assert "interrupted" in output
    assert "Traceback" not in output
    write_spec(tmp_path, SLOW.replace("300000", "3"))
    assert Pipeline.from_yaml(path).run(resume=True).ok


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    """This covers work that cannot be cancelled, because it is not a statement."""
    path = write_spec(
        tmp_path,
        "stages: {s: {}}\nsteps:\n  asleep: {type: extract, from: sample, generator: 'own.py:write', into: '@s/x/', "
        "layouts: {a: {columns: [a]}}}\n",
    )
    (tmp_path / "own.py").write_text(
        "import pathlib, time\n\ndef write(folder):\n    pathlib.Path(__file__).with_name('begun').touch()\n    time.sleep(600)\n"
    )
    with running(path) as process:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        while "interrupt again" not in (line := process.stdout.readline()):
            assert line, "the run ended"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 130


IN_A_THREAD = """
import signal, sys, threading, time
from snowpipe_ml import Pipeline
if sys.argv[2] == "handled":
    signal.signal(signal.SIGTERM, lambda number, frame: print("handled", flush=True))
else:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # coverage.py has set a handler
results, ended = [], threading.Event()
def run():
    results.append(Pipeline.from_yaml(sys.argv[1]).run())
    ended.set()
threading.Thread(target=run).start()
try:
    ended.wait()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    ended.wait()
print("ended", results[0].interrupted, flush=True)
"""
WAITING = """\
steps:
  one: {type: transform, query: SELECT 1 AS X, writes: one}
  slow: {type: transform, query: "SELECT SYSTEM$WAIT(300) AS X FROM {{ ref('one') }}", writes: slow}
"""


@pytest.mark.parametrize(
    ("number", "handler", "said", "status"),
    [
        (signal.SIGTERM, "default", "", -signal.SIGTERM),
        (signal.SIGTERM, "handled", "handled\nended True\n", 0),
        (signal.SIGINT, "default", "interrupted\nended True\n", 0),
    ],
    ids=["sigterm", "sigterm with a handler", "ctrl-c"],
)
def test_a_run_in_another_thread_than_the_main_one_records_its_end(
    tmp_path: Path, number: signal.Signals, handler: str, said: str, status: int
) -> None:
    path = write_spec(tmp_path, WAITING)
    process = forked.Process(IN_A_THREAD, path, handler)
    pipeline = Pipeline.from_yaml(path)
    eventually((tmp_path / "warehouse" / "warehouse.lock").exists)
    eventually(lambda: bool(ask(pipeline, RUNNING)))
    process.send_signal(number)
    output, errors = process.communicate(SOON)
    assert (output, process.returncode) == (said, status), errors
    assert ask(pipeline, "SELECT STATUS, FINISHED_AT IS NOT NULL FROM SNOWPIPE_ML.RUNS") == [("failed", True)]


RUNNING = (
    "SELECT 1 FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY()) "
    "WHERE EXECUTION_STATUS = 'RUNNING' AND QUERY_TEXT LIKE '%SYSTEM$WAIT%' AND QUERY_TEXT LIKE 'CREATE%'"
)
