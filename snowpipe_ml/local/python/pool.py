"""Worker processes of one function: started when needed, reused, replaced when they die."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from snowpipe_ml.local import errors

Answer = tuple[dict[str, Any], pa.Table | None]
Serve = Callable[[dict[str, Any]], Answer]

_HEADER = struct.Struct("<QQ")
_SCRIPT = Path(__file__).with_name("worker.py")
# A thread a worker: two numeric threads in each of two processes are many times slower than one.
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in _LIBRARIES}


class HandlerError(Exception):
    """A handler raised; ``partition`` is its number for a table function."""

    def __init__(self, text: str, partition: int | None) -> None:
        super().__init__(text)
        self.partition = partition


class Worker:
    """One process.

    Args:
        config: what the worker script needs to load the handler.

    Raises:
        HandlerError: the handler cannot be loaded.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        self._temporary = tempfile.TemporaryDirectory(prefix="snowpipe-worker-")
        self._stderr = open(Path(self._temporary.name) / "stderr", "w+b")  # noqa: SIM115
        environment = {**os.environ, **_ONE_THREAD, "TMPDIR": self._temporary.name, "PYTHONHASHSEED": "0"}
        environment.pop("PYTHONSTARTUP", None)
        self._process = subprocess.Popen(
            [sys.executable, "-X", f"snowflake_import_directory={config['import_directory']}",
             str(_SCRIPT), str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=self._stderr,
            stderr=self._stderr, env=environment, cwd=self._temporary.name,
        )  # fmt: skip
        theirs.close()
        self._socket = ours
        try:
            self._send(config, None)
            self._receive()
        except BaseException:
            self.close()
            raise

    def call(
        self, header: dict[str, Any], table: pa.Table, *, timeout: float | None = None, serve: Serve | None = None
    ) -> Answer:
        """Send one request and wait for its answer.

        Args:
            header: what to do.
            table: the arguments.
            timeout: seconds that it may take; None for no limit.
            serve: answers what the handler asks on the way: a procedure's statements.

        Raises:
            HandlerError: the handler raised.
            ProgrammingError: the process died, or took too long.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._send(header, table)
        while True:
            try:
                self._socket.settimeout(None if deadline is None else max(0.01, deadline - time.monotonic()))
                answer, data = self._receive()
            except TimeoutError as raised:
                raise errors.timed_out(timeout or 0) from raised
            finally:
                with contextlib.suppress(OSError):
                    self._socket.settimeout(None)
            if "call" not in answer:
                return answer, data
            assert serve is not None
            self._send(*serve(answer))

    def _send(self, header: dict[str, Any], table: pa.Table | None) -> None:
        head = json.dumps(header).encode()
        body: Any = b""
        if table is not None:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            body = sink.getvalue()
        try:
            self._socket.sendall(_HEADER.pack(len(head), len(body)) + head)
            self._socket.sendall(body)
        except OSError as error:
            raise self._died() from error

    def _read(self, size: int) -> bytes:
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            count = self._socket.recv_into(view)
            if not count:
                raise self._died()
            view = view[count:]
        return bytes(buffer)

    def _receive(self) -> Answer:
        head, body = _HEADER.unpack(self._read(_HEADER.size))
        header = json.loads(self._read(head))
        data = self._read(body)
        if "error" in header:
            raise HandlerError(header["error"], header.get("partition"))
        if not body:
            return header, None
        with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
            return header, reader.read_all()

    def _died(self) -> Exception:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        self._stderr.seek(0)
        said = self._stderr.read()[-2000:].decode(errors="replace").strip()
        code = self._process.returncode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        return errors.error(
            100357, "P0000", f"Python Interpreter Error:\nthe worker process {how}" + (f":\n{said}" if said else "")
        )

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self._stderr.close()
        self._temporary.cleanup()


class Pool:
    """The workers of one function.

    Args:
        config: what a worker needs to load the handler.
        size: how many may run at once.
    """

    def __init__(self, config: dict[str, Any], size: int) -> None:
        self.size = size
        self._config = config
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._slots = threading.Semaphore(size)
        self._all: set[Worker] = set()
        self._lock = threading.Lock()

    def call(
        self, header: dict[str, Any], table: pa.Table, *, timeout: float | None = None, serve: Serve | None = None
    ) -> Answer:
        """Run one request on a free worker; a worker that fails otherwise than by its handler is replaced."""
        with self._slots:
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                worker = Worker(self._config)
                with self._lock:
                    self._all.add(worker)
            try:
                answer = worker.call(header, table, timeout=timeout, serve=serve)
            except HandlerError:
                self._idle.put(worker)
                raise
            except BaseException:
                with self._lock:
                    self._all.discard(worker)
                worker.close()
                raise
            self._idle.put(worker)
            return answer

    def map_partitions(
        self, table: pa.Table, offsets: Sequence[int], timeout: float | None = None
    ) -> list[tuple[int, pa.Table]]:
        """Run a table function over all partitions.

        Args:
            table: the arguments, partitions one behind the other.
            offsets: where each partition starts, and the end.
            timeout: seconds that a batch of partitions may take.

        Returns:
            (row where the batch starts, result) of each batch, in order.
        """
        count = len(offsets) - 1
        if count <= 0:
            return []
        # Several batches a worker even out partitions of unequal cost; each batch costs a message.
        step = max(1, -(-count // (self.size * 8)))
        starts = list(range(0, count, step))

        def run(first: int) -> tuple[int, pa.Table]:
            last = min(first + step, count)
            begin, end = offsets[first], offsets[last]
            local = [offset - begin for offset in offsets[first : last + 1]]
            request = {"call": "table", "offsets": local, "first": first}
            _, answer = self.call(request, table.slice(begin, end - begin), timeout=timeout)
            assert answer is not None
            return begin, answer

        if len(starts) == 1 or self.size == 1:
            return [run(first) for first in starts]
        with ThreadPoolExecutor(self.size) as executor:
            futures = [executor.submit(run, first) for first in starts]
            try:
                return [future.result() for future in futures]
            except BaseException:
                for future in futures:
                    future.cancel()
                raise

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            for worker in self._all:
                worker.close()
            self._all.clear()
