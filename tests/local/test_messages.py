"""Messages between processes."""

from __future__ import annotations

import socket
import threading
import time

import pyarrow as pa
import pytest

from snowpipe_ml.local.core.messages import Channel


@pytest.mark.parametrize("rows", [0, 1, 200_000])
def test_a_message_arrives_as_it_was(rows: int) -> None:
    ours, theirs = map(Channel, socket.socketpair())
    table = pa.table({"x": range(rows)}) if rows else None
    echo = threading.Thread(target=lambda: theirs.send(*theirs.receive()))
    echo.start()
    assert ours.exchange({"call": "é"}, table) == ({"call": "é"}, table)
    echo.join()
    ours.close()
    theirs.close()


class Unhurried:
    """A socket of a process that is paused after each piece that it sends."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(data)
        time.sleep(0.1)

    def recv_into(self, buffer: memoryview) -> int:
        return self._socket.recv_into(buffer)


def test_who_answers_and_leaves_is_heard() -> None:
    ours, theirs = socket.socketpair()

    def answer_and_leave() -> None:
        channel = Channel(theirs)
        channel.receive()
        channel.send({"error": "the handler cannot be loaded"})
        channel.close()

    peer = threading.Thread(target=answer_and_leave)
    peer.start()
    channel = Channel(Unhurried(ours))
    channel.send({"handler": "f"})
    peer.join()
    assert channel.receive() == ({"error": "the handler cannot be loaded"}, None)
    with pytest.raises(EOFError):
        channel.receive()
    ours.close()
