"""Reading of text files and of records of delimited text."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

LARGEST = 16 * 2**20  # bytes; Snowflake would reject a longer query too
_LONGEST_RECORD = 16 * 2**20  # characters; a stray quote must not load a whole file into memory


def read_text(path: Path) -> str:
    """Return the text of a file, without a byte order mark.

    Devices and named pipes are not read, since they may never end.

    Raises:
        OSError: the file does not exist, cannot be read, or is not a regular file of at most 16 MB.
        UnicodeDecodeError: it is not UTF-8.
    """
    # Without O_NONBLOCK, opening a named pipe blocks until a writer opens it.
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


def read_record(lines: IO[str], delimiter: str = ",", quote: str = '"') -> list[str] | None:
    """Read the fields of the next record of delimited text.

    Python's ``csv`` rejects fields of more than 131,072 characters, unless a process-wide limit is changed.

    Args:
        lines: the text, opened with ``newline=""``.
        delimiter: the field delimiter, of any length.
        quote: the quote character around fields that hold delimiters or line ends; empty for none.

    Returns:
        The fields, or an empty list for a blank line; None at the end of the text.
    """
    line = lines.readline(_LONGEST_RECORD)
    if not line:
        return None
    if not line.strip("\r\n"):
        return []
    fields: list[str] = []
    pieces: list[str] = []
    read = 0
    quoted = bool(quote) and line.startswith(quote)
    position = len(quote) if quoted else 0
    while True:
        if quoted:
            end = line.find(quote, position)
            if end < 0:
                pieces.append(line[position:])
                read += len(line)
                line, position = lines.readline(_LONGEST_RECORD), 0
                if not line or read > _LONGEST_RECORD:
                    break
            elif line.startswith(quote, end + 1):
                pieces.append(line[position : end + 1])
                position = end + 2
            else:
                pieces.append(line[position:end])
                quoted, position = False, end + 1
            continue
        end = line.find(delimiter, position)
        if end < 0:
            pieces.append(line[position:].rstrip("\r\n"))
            break
        fields.append("".join([*pieces, line[position:end]]))
        pieces, position = [], end + len(delimiter)
        if quote and line.startswith(quote, position):
            quoted, position = True, position + 1
    return [*fields, "".join(pieces)]
