"""A gate at which handlers of Python functions wait until a test opens it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

SOON = 120  # seconds for actions that take milliseconds: only a failure takes so long, not a busy machine
LONG = 300  # seconds that a worker waits at most, so that no worker outlives the tests


def eventually(met: Callable[[], bool], seconds: float = SOON) -> None:
    """Wait until a condition is met; fail if it is not in time."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Gate:
    """A gate for handlers, which write a file when they start and continue when another file exists.

    A worker writes to its own folder alone, which is its current folder. It reads the folder of the gate,
    which must be on PYTHONPATH when the warehouse starts its first worker: see :func:`opened_after`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.opened = folder, folder / "opened"
        self._name = f"begun-{uuid4().hex}"
        self._seen: set[int] = set()

    @property
    def code(self) -> str:
        """The lines of a function ``wait_at_gate``."""
        return (
            "import os, time\n"
            "def wait_at_gate():\n"
            f"    open({self._name!r}, 'w').close()\n"
            f"    end = time.monotonic() + {LONG}\n"
            f"    while not os.path.exists({str(self.opened)!r}) and time.monotonic() < end:\n"
            "        time.sleep(0.02)\n"
        )

    def _look(self) -> set[int]:
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and os.path.exists(process / "cwd" / self._name):
                self._seen.add(int(process.name))
        return self._seen

    def reached(self) -> list[int]:
        """Wait until a handler has started; return the processes of all handlers that have."""
        eventually(lambda: bool(self._look()), LONG)
        return sorted(self._seen)


def opened_after(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Yield a gate for the warehouses that start now, and open it in the end."""
    place = folder / "gate"
    place.mkdir()
    gate = Gate(place)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))
    )
    yield gate
    gate.opened.touch()
