"""A process that has imported the modules of the workers and forks a worker on request.

Importing pyarrow, pandas and Snowpark takes seconds; a fork takes milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from snowpipe_ml.local.core import errors
from snowpipe_ml.text.redaction import redact

_MODULE = "snowpipe_ml.local.python.worker"
_ROOT = str(Path(__file__).parents[3])
# One numeric thread for each worker: two threads in each of two processes are many times slower.
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
# The environment variables that the interpreter and numeric libraries need. Functions see no other variable
# of this process: it may hold secrets, and on Snowflake functions see none of the client's environment.
_NEEDED = frozenset(
    {"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "LANG", "LC_ALL", "LC_CTYPE", "PATH"}
)
_NUMERIC = ("ATEN_", "OPENBLAS_", "OMP_", "MKL_", "KMP_")


DEFAULT_TIME_ZONE = "America/Los_Angeles"  # the default of Snowflake sessions


def _environment() -> dict[str, str]:
    given = {
        name: value for name, value in os.environ.items() if name in _NEEDED or name.startswith(_NUMERIC)
    }
    return {**given, **_ONE_THREAD, "PYTHONHASHSEED": "0", "TZ": DEFAULT_TIME_ZONE}


def _is_installed() -> bool:
    return any(part in ("site-packages", "dist-packages") for part in Path(__file__).parts)


class ForkServer:
    """A process that forks workers. It ends when this process ends, even if this one is killed.

    Args:
        modules: the modules to import before the first fork.
    """

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._modules = modules
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = _environment()
        if not _is_installed():
            # The package is imported from a checkout: workers import it too, then remove it from their path.
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [_ROOT, environment.get("PYTHONPATH")]))
            environment["SNOWPIPE_PACKAGE_ROOT"] = "added"
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno()), *self._modules],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env=environment,
            start_new_session=True,
            umask=0o077,
        )
        theirs.close()
        self._control = ours

    def fork(self, channel: socket.socket, stderr: int, folder: str) -> int:
        """Start a worker and return its process id.

        Args:
            channel: the worker's end of its socket.
            stderr: the file descriptor for the output of the worker.
            folder: the current and temporary folder of the worker.

        Raises:
            ProgrammingError: the fork server died twice; the message contains its output.
        """
        with self._lock:
            try:
                return self._fork(channel, stderr, folder)
            except (OSError, EOFError):
                # It was probably killed for lack of memory: start another one. If that fails too, give up.
                self._stop()
                self._start()
            try:
                return self._fork(channel, stderr, folder)
            except (OSError, EOFError) as raised:
                self._output.seek(0)
                said = redact(self._output.read()[-100_000:].decode(errors="replace"))[-2000:].strip()
                raise errors.error(
                    100357,
                    "P0000",
                    "Python Interpreter Error:\nthe process that starts the worker processes of functions died twice, as "
                    "one that is killed for lack of memory" + (f":\n{said}" if said else ""),
                ) from raised

    def _fork(self, channel: socket.socket, stderr: int, folder: str) -> int:
        request = json.dumps({"fork": folder}).encode()
        socket.send_fds(self._control, [request], [channel.fileno(), stderr])
        pid = self._answer()["pid"]
        assert pid is not None
        return pid

    def wait(self, pid: int) -> int | None:
        """Reap a worker and return its exit code, negative for a signal; None if it is not known."""
        with self._lock, contextlib.suppress(OSError, EOFError):
            self._control.send(json.dumps({"wait": pid}).encode())
            return self._answer()["code"]
        return None

    def _answer(self) -> dict[str, int | None]:
        data = self._control.recv(65536)
        if not data:
            raise EOFError
        answer: dict[str, int | None] = json.loads(data)
        return answer

    def close(self) -> None:
        """End the process and the workers that it has forked."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._output.close()
