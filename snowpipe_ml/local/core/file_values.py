"""The OBJECT that describes a staged file: https://docs.snowflake.com/en/sql-reference/functions-file."""

from __future__ import annotations

import json
import mimetypes
from typing import Any

from snowpipe_ml.local.core.calls import row_function

_COMPRESSED = {
    "application/gzip",
    "application/x-7z-compressed",
    "application/x-bzip2",
    "application/x-gzip",
    "application/x-tar",
    "application/zip",
    "application/zstd",
}
_DOCUMENTS = ("application/", "text/")


@row_function("fl_member", returns="text")
def member(file: str, name: str) -> str | None:
    """Return a member of the object as a text."""
    found: Any = json.loads(file)
    value = found.get(name) if isinstance(found, dict) else None
    return None if value is None else str(value)


@row_function("fl_size", returns="number")
def size(file: str) -> int | None:
    """Return the number of bytes."""
    found = member(file, "SIZE")
    return None if found is None else int(float(found))


def _content_type(file: str) -> str:
    """Return the MIME type: as the object says, or by the name of the file."""
    name = member(file, "RELATIVE_PATH") or member(file, "STAGE_FILE_URL") or ""
    guessed, encoding = mimetypes.guess_type(name)
    if encoding == "gzip":
        guessed = "application/gzip"
    return (member(file, "CONTENT_TYPE") or member(file, "FILE_TYPE") or guessed or "").lower()


@row_function("fl_file_type", returns="text")
def file_type(file: str) -> str:
    """Return what kind of content a file has."""
    found = _content_type(file)
    for kind in ("image", "audio", "video"):
        if found.startswith(f"{kind}/"):
            return kind
    if found in _COMPRESSED:
        return "compressed"
    return "document" if found.startswith(_DOCUMENTS) and found != "application/octet-stream" else "unknown"
