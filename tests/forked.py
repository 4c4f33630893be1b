"""Python processes that start in milliseconds, for tests that need a process but not its imports.

Importing Snowpark takes two seconds. A server process imports it once and forks a child for each request.
It has executed nothing of the package, so a child starts in the state of a new interpreter, with the
modules already in memory. Tests of start-up, of limits on memory, and of signals during start-up use
``subprocess`` instead.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

_SERVER = r"""
import gc, json, os, signal, socket, sys
import boto3, networkx, numpy, pandas, pyarrow, pydantic, rich.console, snowflake.snowpark, sqlglot
import snowpipe_ml.cli.main
# A child would copy the memory of all objects that the collection at its end visits. The objects of DuckDB
# are collected, because DuckDB reports those that are left.
gc.collect()
gc.freeze()
import duckdb
import snowpipe_ml.engine.pipeline, snowpipe_ml.engine.run.run
import snowpipe_ml.local, snowpipe_ml.local.client.connect, snowpipe_ml.local.client.proxy
import snowpipe_ml.local.python.registry, snowpipe_ml.steps.data.transform
import importlib, pkgutil, snowpipe_ml.local.translate.functions as functions
for family in pkgutil.iter_modules(functions.__path__, functions.__name__ + "."):
    importlib.import_module(family.name)
import pyarrow.pandas_compat, pydantic.type_adapter, snowflake.snowpark._internal.compiler.plan_compiler
import snowpipe_ml.targets.local, snowpipe_ml.ui.report, snowpipe_ml.ui.tables, snowpipe_ml.ui.terminal

def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

def job(channel):
    while True:
        message, fds, _, _ = socket.recv_fds(channel, 8, 4)
        reap()
        if not message:
            os._exit(0)
        size = int.from_bytes(message, "big")
        body = b""
        while len(body) < size:
            body += channel.recv(size - len(body))
        if os.fork():  # this process serves on
            for fd in fds:
                os.close(fd)
            continue
        channel.close()
        status = fds.pop()
        start_reader, start_writer = os.pipe()
        if child := os.fork():  # this process waits for the job and reports its end
            for fd in fds:
                os.close(fd)
            os.write(status, b"%d\n" % child)
            os.write(start_writer, b"x")
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            os.write(status, b"%d\n" % code)
            os._exit(0)
        os.read(start_reader, 1)
        for fd in (start_reader, start_writer, status):
            os.close(fd)
        return json.loads(body), fds

channel = socket.socket(fileno=int(sys.argv[1]))
request, fds = job(channel)
for number, fd in enumerate(fds):
    os.dup2(fd, number)
for fd in fds:
    if fd > 2:
        os.close(fd)
signal.signal(signal.SIGINT, signal.default_int_handler)  # however the tests were started
if request["new_session"]:
    os.setsid()
os.chdir(request["cwd"])
os.environ.clear()
os.environ.update(request["env"])
os.umask(request["umask"])
encoding = request["env"].get("PYTHONIOENCODING", "utf-8")
sys.stdin = sys.__stdin__ = open(0, encoding=encoding, closefd=False)
sys.stdout = sys.__stdout__ = open(1, "w", encoding=encoding, closefd=False)
sys.stderr = sys.__stderr__ = open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)
sys.path[1:1] = [p for p in request["env"].get("PYTHONPATH", "").split(os.pathsep) if p and p not in sys.path]
sys.argv = ["-c", *request["arguments"]]
code = request["code"]
for name in ("channel", "request", "fds", "job", "reap", "encoding", "number", "fd"):
    globals().pop(name, None)
exec(compile(code, "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
"""
_COMMAND = "from snowpipe_ml.cli.main import main\nmain()\n"


class _Server:
    """The process that forks.

    Args:
        site: a folder of installed packages that it and its children have, besides the usual ones.
    """

    def __init__(self, site: Path | None = None) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def start(self, request: Mapping[str, Any], fds: Sequence[int]) -> None:
        """Fork a process with these file descriptors: input, output, errors, status."""
        body = json.dumps(request).encode()
        with self._lock:
            if self._channel is None:
                self._begin()
            assert self._channel is not None
            socket.send_fds(self._channel, [len(body).to_bytes(8, "big")], list(fds))
            self._channel.sendall(body)

    def _begin(self) -> None:
        ours, its = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _SERVER, str(its.fileno())],
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONPATH": _path(self._site, os.environ)},
        )
        its.close()
        self._channel = ours
        atexit.register(self._end)

    def _end(self) -> None:
        if self._channel is not None and self._process is not None:
            self._channel.close()
            self._process.wait()


def _path(site: Path | None, env: Mapping[str, str]) -> str:
    return os.pathsep.join(filter(None, [str(site or ""), env.get("PYTHONPATH")]))


@cache
def _server(site: Path | None) -> _Server:
    # The entry points of installed packages are read at the import of the package: a server for each site.
    return _Server(site)


class Process:
    """A forked process; its attributes and methods are those of ``subprocess.Popen`` in text mode."""

    def __init__(
        self,
        code: str,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        new_session: bool = False,
        output: int | None = None,
        merged: bool = False,
        site: Path | None = None,
    ) -> None:
        """Run code with arguments.

        ``output``: a file descriptor for its output and errors instead of pipes; ``merged``: one pipe for both;
        ``site``: a folder with more installed packages.
        """
        env = os.environ if env is None else env
        status, its_status = os.pipe()
        its_stdin, stdin = os.pipe()
        pipes: list[int] = []
        self.stdout: IO[str] | None = None
        self.stderr: IO[str] | None = None
        if output is None:
            stdout, its_stdout = os.pipe()
            pipes = [its_stdout]
            self.stdout = open(stdout, encoding="utf-8", newline="")  # noqa: SIM115
            if not merged:
                stderr, its_stderr = os.pipe()
                pipes.append(its_stderr)
                self.stderr = open(stderr, encoding="utf-8")  # noqa: SIM115
        self.stdin: IO[str] = open(stdin, "w", encoding="utf-8")  # noqa: SIM115
        mask = os.umask(0)
        os.umask(mask)
        request = {
            "code": code,
            "arguments": [str(argument) for argument in arguments],
            "env": {**env, "PYTHONPATH": _path(site, env)},
            "cwd": str(cwd or Path.cwd()),
            "new_session": new_session,
            "umask": mask,
        }
        outputs = [*pipes, *pipes] if merged else pipes or [output, output]
        _server(site).start(request, [its_stdin, *outputs, its_status])
        for fd in (its_stdin, *pipes, its_status):
            os.close(fd)
        self._status = open(status, "rb", buffering=0)  # noqa: SIM115
        self._unread = b""
        self._line(None)
        self.pid = int(self._unread.splitlines()[0])
        self._unread = self._unread.partition(b"\n")[2]
        self.returncode: int | None = None

    def _line(self, timeout: float | None) -> bool:
        """Read the status until a line is complete; return whether there is one."""
        end = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._unread:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self._status], [], [], left)[0]:
                return False
            data = self._status.read(100)
            assert data, "the process that waits for the forked one has ended"
            self._unread += data
        return True

    def poll(self) -> int | None:
        """Return the exit status if the process has ended."""
        if self.returncode is None and self._line(0):
            self.returncode = int(self._unread)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process, and return its exit status."""
        if self.returncode is None:
            if not self._line(timeout):
                raise subprocess.TimeoutExpired("a forked process", timeout or 0)
            self.returncode = int(self._unread)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Close its input, and return the rest of its output and errors when it has ended."""
        end = None if timeout is None else time.monotonic() + timeout
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        found = ["", ""]

        def read(number: int, stream: IO[str]) -> None:
            found[number] = stream.read()

        streams = [(n, s) for n, s in enumerate((self.stdout, self.stderr)) if s is not None and not s.closed]
        readers = [threading.Thread(target=read, args=pair, daemon=True) for pair in streams]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(None if end is None else max(0.0, end - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired("a forked process", timeout or 0)
        self.wait(None if end is None else max(0.0, end - time.monotonic()))
        for _, stream in streams:
            stream.close()
        self._status.close()
        return found[0], found[1]


def python(
    code: str,
    *arguments: object,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    site: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run code in a forked process to its end."""
    process = Process(code, *arguments, env=env, cwd=cwd, site=site)
    try:
        out, err = process.communicate(timeout)
    except BaseException:
        process.kill()
        raise
    return subprocess.CompletedProcess([code, *arguments], process.wait(), out, err)


def command(
    *arguments: object,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    site: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``snowpipe-ml`` with arguments in a forked process to its end."""
    return python(_COMMAND, *arguments, env=env, cwd=cwd, timeout=timeout, site=site)


def start_command(*arguments: object, **options: Any) -> Process:
    """Start ``snowpipe-ml`` with arguments in a forked process."""
    return Process(_COMMAND, *arguments, **options)
