"""The worker processes of one function: started on demand, reused, and replaced when they die."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import pyarrow as pa

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.cancellation import Cancellation
from snowpipe_ml.local.core.messages import Channel, Header, Message, Sent
from snowpipe_ml.local.python.forkserver import ForkServer
from snowpipe_ml.local.python.values import WorkerConfig
from snowpipe_ml.temporary import TemporaryFolder
from snowpipe_ml.text.redaction import redact

_POLL = 0.1  # seconds between two checks whether a waiting statement was canceled
Serve: TypeAlias = Callable[[Header], Sent]


class HandlerError(Exception):
    """A handler raised an error; for a table function ``partition`` is the number of the partition."""

    def __init__(self, text: str, partition: int | None) -> None:
        super().__init__(text)
        self.partition = partition


class Worker:
    """A worker process.

    Args:
        server: the process that forks the worker.
        config: the configuration with which the worker loads the handler.
    """

    def __init__(self, server: ForkServer, config: WorkerConfig) -> None:
        self._server = server
        self._temporary = TemporaryFolder("worker")
        self._stderr = open(self._temporary.path / "stderr", "w+b")  # noqa: SIM115 - closed by close()
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._code: int | None = None
        self._ready = False
        self._config = config
        try:
            self._pid = server.fork(theirs, self._stderr.fileno(), str(self._temporary.path))
        finally:
            theirs.close()

    @property
    def is_ready(self) -> bool:
        """Return whether the handler is loaded."""
        return self._ready

    def load(self) -> None:
        """Wait until the handler is loaded.

        Raises:
            HandlerError: the handler cannot be loaded.
            ProgrammingError: the process died.
        """
        if not self._ready:
            self._send(self._config, None)
            self._receive()
            self._ready = True

    def call(self, header: Mapping[str, object], table: pa.Table, serve: Serve | None = None) -> Message:
        """Send a request and wait for its answer.

        Args:
            header: the request.
            table: the arguments.
            serve: answers requests of the handler during the call: the statements of a procedure.

        Raises:
            HandlerError: the handler raised.
            ProgrammingError: the process died.
        """
        self._send(header, table)
        while True:
            answer, data = self._receive()
            if "call" not in answer:
                return answer, data
            assert serve is not None
            # A procedure's PUT and GET reach the files of its worker only.
            self._send(*serve({**answer, "worker_folder": str(self._temporary.path)}))

    def _send(self, header: Mapping[str, object], table: pa.Table | None) -> None:
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
        # Redacted before it is cut, since what is left of a cut secret may be too short to be recognized.
        said = redact(self._stderr.read()[-100_000:].decode(errors="replace"))[-2000:].strip()
        code = self._code
        how = "has ended" if code is None else f"ended with code {code}"
        if code is not None and code < 0:
            how = f"was killed by signal {-code}"
        return errors.error(
            100357,
            "P0000",
            f"Python Interpreter Error:\nthe worker process {how}" + (f":\n{said}" if said else ""),
        )

    def kill(self) -> None:
        """Kill the process and the processes that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process."""
        self._channel.close()
        if self._code is None:
            self.kill()
            self._server.wait(self._pid)
        self._stderr.close()
        self._temporary.remove()


class Pool:
    """The workers of one function.

    Args:
        server: the process that forks the workers.
        config: the configuration with which a worker loads the handler.
        size: the maximum number of workers.
    """

    def __init__(self, server: ForkServer, config: WorkerConfig, size: int) -> None:
        self.size = size
        self._server = server
        self._config = config
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._slots = threading.Semaphore(size)
        self._all: set[Worker] = set()
        self._retired = False
        self._lock = threading.Lock()

    def call(
        self,
        header: Mapping[str, object],
        table: pa.Table,
        cancellation: Cancellation,
        serve: Serve | None = None,
    ) -> Message:
        """Run one request on a free worker. A worker that fails other than by a handler error is replaced.

        Raises:
            HandlerError: the handler cannot be loaded, or raised an error.
            ProgrammingError: the process died, or the statement was canceled, which kills the worker.
        """
        with self._slot(cancellation):
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                worker = Worker(self._server, self._config)
                with self._lock:
                    self._all.add(worker)
            try:
                with cancellation.stopping(worker.kill):
                    worker.load()
                    answer = worker.call(header, table, serve)
                cancellation.check()  # it may have been killed after its answer
            except BaseException as raised:
                usable = isinstance(raised, HandlerError) and worker.is_ready and not cancellation.requested
                self._give_back(worker, usable=usable)
                raise
            self._give_back(worker, usable=True)
            return answer

    def _give_back(self, worker: Worker, *, usable: bool) -> None:
        with self._lock:
            if usable and not self._retired:
                self._idle.put(worker)
                return
            if worker not in self._all:
                return  # the pool and the worker were closed
            self._all.discard(worker)
        worker.close()

    @contextmanager
    def _slot(self, cancellation: Cancellation) -> Iterator[None]:
        """Wait for a free slot for a worker and occupy it."""
        while not self._slots.acquire(timeout=_POLL):
            cancellation.check()
        try:
            yield
        finally:
            self._slots.release()

    def map_partitions(
        self, table: pa.Table, offsets: Sequence[int], time_zone: str, cancellation: Cancellation
    ) -> list[tuple[int, pa.Table]]:
        """Run a table function over all partitions.

        Args:
            table: the arguments, ordered by partition.
            offsets: the first row of each partition, and the end.
            time_zone: the time zone of the calling session.
            cancellation: the cancellation of the calling statement.

        Returns:
            (first row, result) of each batch of partitions, in order.
        """
        count = len(offsets) - 1
        if count <= 0:
            return []
        # Cancels this call only: an exception in this thread, such as Ctrl-C, ends its workers.
        calling = Cancellation()
        # Several batches for each worker even out partitions of unequal cost; each batch costs a message.
        step = max(1, -(-count // (self.size * 8)))
        starts = list(range(0, count, step))

        def run(first: int) -> tuple[int, pa.Table]:
            last = min(first + step, count)
            begin, end = offsets[first], offsets[last]
            local = [offset - begin for offset in offsets[first : last + 1]]
            request = {"call": "table", "offsets": local, "first": first, "time_zone": time_zone}
            calling.check()
            _, answer = self.call(request, table.slice(begin, end - begin), calling)
            assert answer is not None
            return begin, answer

        if len(starts) == 1 or self.size == 1:
            with cancellation.stopping(calling.cancel):
                return [run(first) for first in starts]
        waiting = iter(starts)
        taking = threading.Lock()
        done: dict[int, tuple[int, pa.Table]] = {}
        failures: list[BaseException] = []

        def work() -> None:
            while not failures:
                with taking:
                    first = next(waiting, None)
                if first is None:
                    return
                try:
                    done[first] = run(first)
                except BaseException as raised:
                    failures.append(raised)

        # Not an executor: it accepts no work once interpreter shutdown has begun, and a process that holds
        # the warehouse may still serve other processes then.
        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(self.size, len(starts)))]
        try:
            with cancellation.stopping(calling.cancel):
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        except BaseException as raised:
            failures.append(raised)
            calling.cancel()
            raise
        if failures:
            raise failures[0]
        return [done[first] for first in starts]

    def retire(self) -> None:
        """End idle workers now, and each other worker when its call ends."""
        with self._lock, contextlib.suppress(queue.Empty):
            self._retired = True
            while True:
                worker = self._idle.get_nowait()
                self._all.discard(worker)
                worker.close()

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            self._retired = True
            for worker in self._all:
                worker.close()
            self._all.clear()
