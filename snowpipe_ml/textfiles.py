"""Text files that a spec names: regular files of a sensible size, in UTF-8."""

from __future__ import annotations

import os
import stat
from pathlib import Path

LARGEST = 16 * 2**20  # bytes; a query of more would be refused by Snowflake too


def read_text(path: Path) -> str:
    """The text of a file, without a byte order mark.

    A device or a named pipe may never end, so neither is read.

    Raises:
        OSError: there is no such file, it cannot be read, or it is not a regular file of at most 16 MB.
        UnicodeDecodeError: it is not UTF-8.
    """
    # Without O_NONBLOCK the opening of a pipe waits for whoever writes to it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(None, "it is a folder", str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(None, "it is a device or a pipe, not a regular file", str(path))
        if found.st_size > LARGEST:
            raise OSError(None, f"it has {found.st_size:,} bytes; at most {LARGEST:,} are read", str(path))
        return file.read(LARGEST + 1).decode("utf-8-sig")
