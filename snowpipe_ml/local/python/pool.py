"""Worker processes of one function: started when needed, reused, replaced when they die."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from snowpipe_ml.local import errors
from snowpipe_ml.local.messages import Channel, Message
from snowpipe_ml.local.python.forkserver import ForkServer

Serve = Callable[[dict[str, Any]], Message]


class HandlerError(Exception):
    """A handler raised; ``partition`` is its number for a table function."""

    def __init__(self, text: str, partition: int | None) -> None:
        super().__init__(text)
        self.partition = partition


class Worker:
    """One process.

    Args:
        server: what forks it.
        config: what the worker script needs to load the handler.

    Raises:
        HandlerError: the handler cannot be loaded.
    """

    def __init__(self, server: ForkServer, config: dict[str, Any]) -> None:
        self._server = server
        self._temporary = tempfile.TemporaryDirectory(prefix="snowpipe-worker-", ignore_cleanup_errors=True)
        self._stderr = open(Path(self._temporary.name) / "stderr", "w+b")  # noqa: SIM115
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._code: int | None = None
        try:
            self._pid = server.fork(theirs, self._stderr.fileno(), self._temporary.name)
        finally:
            theirs.close()
        try:
            self._send(config, None)
            self._receive()
        except BaseException:
            self.close()
            raise

    def call(
        self, header: dict[str, Any], table: pa.Table, *, timeout: float | None = None, serve: Serve | None = None
    ) -> Message:
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
                self._channel.socket.settimeout(None if deadline is None else max(0.01, deadline - time.monotonic()))
                answer, data = self._receive()
            except TimeoutError as raised:
                raise errors.timed_out(timeout or 0) from raised
            finally:
                with contextlib.suppress(OSError):
                    self._channel.socket.settimeout(None)
            if "call" not in answer:
                return answer, data
            assert serve is not None
            self._send(*serve(answer))

    def _send(self, header: dict[str, Any], table: pa.Table | None) -> None:
        try:
            self._channel.send(header, table)
        except OSError as raised:
            raise self._died() from raised

    def _receive(self) -> Message:
        try:
            header, table = self._channel.receive()
        except EOFError as raised:
            raise self._died() from raised
        if "error" in header:
            raise HandlerError(header["error"], header.get("partition"))
        return header, table

    def _died(self) -> Exception:
        self._code = self._server.wait(self._pid)
        self._stderr.seek(0)
        said = self._stderr.read()[-2000:].decode(errors="replace").strip()
        code = self._code
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        return errors.error(
            100357, "P0000", f"Python Interpreter Error:\nthe worker process {how}" + (f":\n{said}" if said else "")
        )

    def close(self) -> None:
        """End the process."""
        self._channel.close()
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._server.wait(self._pid)
        self._stderr.close()
        self._temporary.cleanup()


class Pool:
    """The workers of one function.

    Args:
        server: what forks them.
        config: what a worker needs to load the handler.
        size: how many may run at once.
    """

    def __init__(self, server: ForkServer, config: dict[str, Any], size: int) -> None:
        self.size = size
        self._server = server
        self._config = config
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._slots = threading.Semaphore(size)
        self._all: set[Worker] = set()
        self._lock = threading.Lock()

    def call(
        self, header: dict[str, Any], table: pa.Table, *, timeout: float | None = None, serve: Serve | None = None
    ) -> Message:
        """Run one request on a free worker; a worker that fails otherwise than by its handler is replaced."""
        with self._slots:
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                worker = Worker(self._server, self._config)
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
