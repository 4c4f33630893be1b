"""The token that clients of the server must send."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def token_of(path: Path) -> str:
    """Return the token of a warehouse, created once and kept in its folder, readable only by its user."""
    file = path / "server.token"
    path.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(handle, "w") as out:
        token = secrets.token_urlsafe(24)
        try:
            out.write(token + "\n")
            out.flush()
        except OSError:
            file.unlink()  # an empty file would later be read as an empty token
            raise
    return token
