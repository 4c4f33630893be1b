"""The lock file of a warehouse: who has it open, and the address of the server for other processes."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import time
from pathlib import Path

from snowpipe_ml.local.core import errors

log = logging.getLogger("snowpipe_ml.local")

_NOTE_SIZE = 1024  # bytes; the file never grows, so that it can be written on a full disk


class LockFile:
    """The locked file of an open warehouse; the kernel releases the lock when the process ends.

    Args:
        folder: the warehouse's folder.

    Raises:
        WarehouseLockedError: another process has it open.
    """

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(folder / "warehouse.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = holder_of(os.read(self._handle, 2000).decode(errors="replace"))
            os.close(self._handle)
            raise errors.WarehouseLockedError(folder, holder) from None
        self.note(None)

    def note(self, address: str | None) -> None:
        """Write that this process has the warehouse open, and the address of its server if it has one."""
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        holder = f"process {os.getpid()} on {socket.gethostname()} since {since}"
        self._write(json.dumps({"holder": holder, **({"address": address} if address else {})}))

    def release(self) -> None:
        """Remove the note, and unlock the file."""
        self._write("")
        os.close(self._handle)

    def _write(self, text: str) -> None:
        # The note only informs: the lock itself is an flock. So it is not an error if a full disk refuses it.
        try:
            os.pwrite(self._handle, text.encode().ljust(_NOTE_SIZE), 0)
        except OSError as raised:
            log.warning("the lock file of the warehouse could not be written: %s", raised)


def holder_of(text: str) -> str:
    """Return the holder named in the text of a lock file."""
    try:
        return str(json.loads(text)["holder"])
    except (ValueError, KeyError):
        return text.strip() or "unknown"
