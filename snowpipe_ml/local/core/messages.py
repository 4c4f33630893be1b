"""Messages between processes: a JSON header, optionally followed by an Arrow table."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Mapping
from typing import Any, TypeAlias

import pyarrow as pa

Header: TypeAlias = dict[str, Any]
"""The header of a received message, as JSON is decoded."""

Message: TypeAlias = tuple[Header, pa.Table | None]
"""A received message."""

Sent: TypeAlias = tuple[Mapping[str, object], pa.Table | None]
"""A message to send."""

_SIZES = struct.Struct("<QQ")


class Channel:
    """Sends and receives messages over a connected socket."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._lock = threading.Lock()

    def send(self, header: Mapping[str, object], table: pa.Table | None = None) -> None:
        """Send one message.

        Raises:
            OSError: the other process has closed the connection.
        """
        head = json.dumps(header).encode()
        body: bytes | pa.Buffer = b""
        if table is not None:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            body = sink.getvalue()
        self.socket.sendall(_SIZES.pack(len(head), len(body)) + head)
        # After a message without a body the other process may already have answered and closed the
        # connection, so that even an empty send would fail.
        if body:
            self.socket.sendall(body)

    def receive(self) -> Message:
        """Wait for one message.

        Raises:
            EOFError: the other process has closed the connection.
            TimeoutError: no message arrived within the socket's timeout.
        """
        head, body = _SIZES.unpack(self._read(_SIZES.size))
        header = json.loads(self._read(head))
        data = self._read(body)
        if not body:
            return header, None
        with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
            return header, reader.read_all()

    def exchange(self, header: Mapping[str, object], table: pa.Table | None = None) -> Message:
        """Send a request and wait for its response; concurrent callers take turns."""
        with self._lock:
            self.send(header, table)
            return self.receive()

    def _read(self, size: int) -> bytes:
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            try:
                count = self.socket.recv_into(view)
            except ConnectionError as raised:
                raise EOFError from raised
            if not count:
                raise EOFError
            view = view[count:]
        return bytes(buffer)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
