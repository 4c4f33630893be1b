"""Measure the coverage of every Python process of `make coverage`.

Python imports this module when it starts, because `make coverage` puts its folder on PYTHONPATH. That is the
only variable it needs: workers of Python functions get no other one. The files of coverage.py are in the
root of the repository, whatever the current folder of a process is. A forked process continues with a new
file.

A worker of Python functions cannot open files of the repository and is killed when the warehouse closes. So
it has its file from its beginning, in which it keeps its data up to its last answer; report.py reads it.
"""

from __future__ import annotations

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def _measure() -> None:
    """Start coverage.py, and leave the environment as it was."""
    import coverage

    settings = {
        "COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml"),
        "COVERAGE_FILE": str(ROOT / ".coverage"),
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        coverage.process_startup()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _measure_worker() -> None:
    """Measure the process that forks workers, and the workers, with data in memory."""
    import coverage

    measured = coverage.Coverage(data_file=None, config_file=str(ROOT / "pyproject.toml"))
    measured.start()
    file = -1

    def begin() -> None:
        nonlocal file
        file = os.open(ROOT / f".coverage-worker.{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def keep() -> None:
        data = measured.get_data().dumps()
        os.ftruncate(file, 0)
        os.pwrite(file, data, 0)

    begin()
    os.register_at_fork(after_in_child=begin)
    for name in ("send", "sendall"):
        method = getattr(socket.socket, name)

        def keeping(self: socket.socket, *arguments: Any, method: Any = method) -> Any:
            keep()
            return method(self, *arguments)

        setattr(socket.socket, name, keeping)


if find_spec("coverage"):  # not in another Python, which a test starts as a user's command
    if "snowpipe_ml.local.python.worker" in sys.orig_argv:
        _measure_worker()
    else:
        _measure()
