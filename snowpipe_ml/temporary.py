"""Temporary folders that a killed process does not leave behind for good.

A process that is killed cannot remove its temporary folders. So each folder is locked while its process lives, and the
next process that needs one removes the folders of the same user that nobody holds any more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import weakref
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_PREFIX = "snowpipe-ml-"
_swept: set[Path] = set()  # the folders that this process has already searched for leftovers


class TemporaryFolder:
    """A private folder that is removed with its object, at the process's exit, or by a later process after a kill.

    Args:
        use: a word for its name, such as ``worker``.
        within: the folder in which it is created; the system's folder for temporary files if None.
        at_exit: whether it is removed when the process exits. A folder that is still needed then, because its owner is
            closed at the exit, is removed by its owner.

    Attributes:
        path: the folder.
    """

    def __init__(self, use: str, within: Path | None = None, *, at_exit: bool = True) -> None:
        root = within or Path(tempfile.gettempdir())
        sweep(root)
        # It gets the name that is searched for only when it is locked: another process would take it for a leftover.
        made = Path(tempfile.mkdtemp(prefix="snowpipe-new-", dir=root))
        lock = _lock(made)
        self.path = made.rename(made.with_name(f"{_PREFIX}{use}-{made.name.rpartition('-')[2]}"))
        self._finalizer = weakref.finalize(self, _remove, self.path, lock, os.getpid())
        self._finalizer.atexit = at_exit

    def remove(self) -> None:
        """Remove the folder and all that is in it; what cannot be removed is left to the next sweep."""
        self._finalizer()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()


def sweep(root: Path) -> None:
    """Remove the temporary folders in a folder whose processes were killed; once in a process.

    Folders of other users and links are left alone.
    """
    if root in _swept:
        return
    _swept.add(root)
    with os.scandir(root) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.startswith(_PREFIX)]
    for path in found:
        with contextlib.suppress(OSError):  # removed by another process, or not this user's
            if path.lstat().st_uid == os.getuid() and (lock := _lock(path)) is not None:
                _remove(path, lock, os.getpid())


def _lock(folder: Path) -> int | None:
    """Lock a folder, and return the descriptor that holds the lock; None if another process holds it.

    The kernel releases the lock when the last process that has the descriptor ends. Windows has no such locks: there, a
    killed process's folders are left to the user.
    """
    if sys.platform == "win32":
        return None
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove(path: Path, lock: int | None, owner: int) -> None:
    if os.getpid() != owner:
        return  # a forked child: the folder is its parent's
    shutil.rmtree(path, ignore_errors=True)
    if lock is not None:
        os.close(lock)
