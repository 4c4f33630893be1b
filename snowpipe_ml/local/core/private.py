"""Create files and folders that only the user can access, whatever the umask of the process."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import IO

log = logging.getLogger("snowpipe_ml.local")


def make_folder(path: Path) -> Path:
    """Create a folder and its missing parents with mode 0700; an existing folder keeps its mode."""
    missing = []
    at = path
    while not at.exists():
        missing.append(at)
        at = at.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    return path


def create_file(path: Path | str) -> IO[bytes]:
    """Open a new file for writing, mode 0600."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content to a new file, mode 0600."""
    with source.open("rb") as read, create_file(target) as write:
        shutil.copyfileobj(read, write)


def restrict(path: Path) -> None:
    """Remove the permissions of other users from a file or folder, if it exists."""
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(0o700 if path.is_dir() else 0o600)
    except FileNotFoundError:
        return


def remove(path: Path) -> None:
    """Remove a file that is no longer needed; one that cannot be removed is no error of the statement."""
    try:
        path.unlink(missing_ok=True)
    except OSError as raised:
        log.warning("a file that is no longer needed could not be removed: %s", raised)
