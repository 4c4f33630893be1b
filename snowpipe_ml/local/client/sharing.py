"""Share one warehouse between several processes of the same user.

DuckDB lets only one process open a file. The process that opens a warehouse first is its *holder*. It
listens on a Unix socket that only its user can reach (:class:`Host`) and writes the address to
``warehouse.lock``. A process that finds the lock taken becomes a *guest* (:class:`Guest`): it opens a
session in the holder over that socket, and the holder runs its statements. A holder that closes the
warehouse first serves its guests until the last one has ended; new guests may join meanwhile. The next
process to open the warehouse becomes the holder.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import duckdb

from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.client.proxy import ProxyConnection
from snowpipe_ml.local.core import connector, duckdb_errors, errors
from snowpipe_ml.local.core.exchange import State, answer, session_state
from snowpipe_ml.local.core.messages import Channel, Header, Message, Sent
from snowpipe_ml.local.core.storage import Storage
from snowpipe_ml.temporary import TemporaryFolder

log = logging.getLogger("snowpipe_ml.local")


_ADDRESS_LENGTH = 100  # bytes in the path of a Unix socket; the limit is 108 on Linux, 104 on macOS


def _short_folder() -> TemporaryFolder:
    """Create a private folder for the socket; the path of a warehouse or of TMPDIR may be too long."""
    folder = TemporaryFolder("socket", at_exit=False)
    if len(os.fsencode(folder.path)) + len("/socket") <= _ADDRESS_LENGTH:
        return folder
    folder.remove()
    return TemporaryFolder("socket", Path("/tmp"), at_exit=False)  # noqa: S108 - private, and its name is random


class Host:
    """The server in the holder: it opens a session for each guest."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._folder = _short_folder()
        self.address = f"{self._folder.path}/socket"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self.address)
        self._listening.listen(64)
        self._guests: dict[int, str] = {}
        self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._accept, name="warehouse-host", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                guest, _ = self._listening.accept()
            except OSError:
                return  # closed
            threading.Thread(
                target=self._serve_guest, args=(Channel(guest),), name="warehouse-guest", daemon=True
            ).start()

    def _serve_guest(self, channel: Channel) -> None:
        """Serve one guest until it disconnects, then close its session and roll back its open transaction."""
        try:
            request, _ = channel.receive()
        except EOFError:
            channel.close()
            return
        with self._changed:
            # Accept guests for as long as others are connected: one of them may need another session.
            if self._closed:
                channel.close()
                return
            self._guests[id(channel)] = str(request["who"])
        try:
            try:
                connection = Connection(self._storage, request["database"], request["schema"], shared=True)
            except connector.ProgrammingError as raised:
                channel.send({"refused": [raised.raw_msg, raised.errno, raised.sqlstate]})
                return
            except duckdb.Error as raised:
                told = duckdb_errors.translate(raised)
                channel.send({"refused": [told.raw_msg, told.errno, told.sqlstate]})
                return
            try:
                channel.send({"state": session_state(connection.session)})
                while True:
                    asked, _ = channel.receive()
                    channel.send(*_answer(connection, asked))
            finally:
                connection.close()
        except (EOFError, OSError):
            pass  # the guest has ended: its open transaction is rolled back
        finally:
            channel.close()
            with self._changed:
                del self._guests[id(channel)]
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until all guests have disconnected, then stop accepting new ones."""
        with self._changed:
            if self._guests:
                log.warning(
                    "waiting for other processes that use this warehouse: %s",
                    ", ".join(self._guests.values()),
                )
            while self._guests:
                self._changed.wait()
            self._closed = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._folder.remove()


def _answer(connection: Connection, asked: Header) -> Sent:
    """Answer a guest. An internal error is sent to it and does not end the holder."""
    try:
        with connection.lock:
            return answer(connection, asked)
    except Exception as raised:
        log.exception("internal error of the embedded warehouse in a statement of another process")
        fault = errors.InternalFaultError(raised)
        return {"raised": [False, fault.raw_msg, fault.errno, fault.sqlstate, asked.get("query_id")]}, None


class Guest(ProxyConnection):
    """A session on a warehouse that another process holds.

    Attributes:
        holder: a description of the process that holds the warehouse, for messages.
    """

    def __init__(self, channel: Channel, state: State, holder: str) -> None:
        super().__init__(self._ask_holder, state, channel.close)
        self.holder = holder
        self._channel = channel

    def _ask_holder(self, request: Mapping[str, object]) -> Message:
        try:
            return self._channel.exchange(request)
        except (EOFError, OSError) as raised:
            self._closed = True
            raise errors.HolderGoneError(self.holder) from raised


def join(path: Path, database: str | None, schema: str | None) -> Guest | None:
    """Open a session on the warehouse that another process holds; return None if that is not possible now.

    Raises:
        ProgrammingError: the holder refused the session because the database or schema does not exist.
    """
    try:
        noted = json.loads((path / "warehouse.lock").read_text())
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(noted["address"])
    except (OSError, ValueError, KeyError):
        return None  # the holder is opening or closing the warehouse
    channel = Channel(connected)
    try:
        who = f"process {os.getpid()}"
        answered, _ = channel.exchange({"database": database, "schema": schema, "who": who})
    except (EOFError, OSError):
        channel.close()
        return None
    if "refused" in answered:
        channel.close()
        text, errno, sqlstate = answered["refused"]
        raise errors.error(errno, sqlstate, text)
    return Guest(channel, answered["state"], noted["holder"])
