"""Processes that fork the workers of Python functions, kept from one warehouse of the tests to the next.

A warehouse starts its own, which takes a second for the imports that every worker needs, and ends it when it
closes. The tests of a process share one, for warehouses that would start it with the same environment and
limits. The processes that tests start do without: they still begin as a user's process does.
"""

from __future__ import annotations

import os
import resource
import socket
from typing import Any

from snowpipe_ml.local.python.forkserver import ForkServer

_LIMITS = (resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_NOFILE)


def _inherited() -> tuple[Any, ...]:
    """What a process that is started now inherits."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return tuple(sorted(environment.items())), tuple(map(resource.getrlimit, _LIMITS))


class _Lent:
    """A kept fork server, which outlives the warehouse that uses it."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server

    def fork(self, channel: socket.socket, stderr: int, folder: str) -> int:
        return self._server.fork(channel, stderr, folder)

    def wait(self, pid: int) -> int | None:
        return self._server.wait(pid)

    def close(self) -> None:
        """The warehouse has ended its workers itself."""


class ForkServers:
    """The kept fork servers of a process."""

    def __init__(self) -> None:
        self.more: tuple[str, ...] = ()  # modules that workers find imported too
        self._kept: dict[tuple[str, ...], ForkServer] = {}
        self._inherited = _inherited()

    def lend(self, modules: tuple[str, ...]) -> ForkServer | _Lent:
        """Return a fork server with these modules: a kept one unless a new one would inherit something else."""
        if _inherited() != self._inherited:
            return ForkServer(modules)
        modules = (*modules, *self.more)
        if modules not in self._kept:
            self._kept[modules] = ForkServer(modules)
        return _Lent(self._kept[modules])

    def close(self) -> None:
        """End all of them."""
        for server in self._kept.values():
            server.close()
        self._kept.clear()
