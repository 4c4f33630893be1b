"""Measure the coverage of every Python process of `make coverage`.

Python imports this module when it starts, because `make coverage` puts its folder on PYTHONPATH. That is the
only variable it needs: workers of Python functions get no other one. The files of coverage.py are in the
root of the repository, whatever the current folder of a process is. A forked process continues with a file
of its own.
"""

from __future__ import annotations

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def _measure() -> None:
    """Start coverage.py, and leave the environment as it was."""
    import coverage

    root = Path(__file__).resolve().parents[2]
    settings = {
        "COVERAGE_PROCESS_START": str(root / "pyproject.toml"),
        "COVERAGE_FILE": str(root / ".coverage"),
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


def _save_before_answers() -> None:
    """Save before each message: the warehouse kills its workers and their fork server when it closes."""
    import coverage

    for name in ("send", "sendall"):
        method = getattr(socket.socket, name)

        def saving(self: socket.socket, *arguments: Any, method: Any = method) -> Any:
            measured = coverage.Coverage.current()
            if measured is not None:
                measured.save()
            return method(self, *arguments)

        setattr(socket.socket, name, saving)


if find_spec("coverage"):  # not in another Python, which a test starts as a user's command
    _measure()
    if "snowpipe_ml.local.python.worker" in sys.orig_argv:
        _save_before_answers()
