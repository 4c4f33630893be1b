"""Wheels in a function's imports, made importable.

Snowflake puts a staged wheel into the import folder but not on ``sys.path``, and a wheel that is
there as it is would not do: packages without ``__init__.py`` (pytorch-tabnet is one, the ``autogluon``
namespace another) cannot be imported from a zip, nor can packages read files of their own. So all
wheels of a function are extracted into one folder, once a machine, as an installation would have
them: a namespace that is spread over several wheels is whole there, and the path has one entry more
instead of one for each.

The folder is named by the hashes of its wheels, so that nothing of another version is in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath


def import_directory() -> Path:
    """The folder with the function's imports."""
    return Path(str(sys._xoptions["snowflake_import_directory"]))


def add_wheels() -> None:
    """Put the wheels that ``wheels.json`` names on ``sys.path``, before what the runtime has.

    Raises:
        ValueError: a wheel is not the one that was staged, or has a member that must not be extracted.
    """
    directory = import_directory()
    wheels = [
        (str(entry["file"]), str(entry["sha256"]))
        for entry in json.loads((directory / "wheels.json").read_text())
    ]
    if not wheels:
        return
    folder = str(_extracted(directory, sorted(wheels)))
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _extracted(directory: Path, wheels: list[tuple[str, str]]) -> Path:
    """The folder with the content of all wheels."""
    digest = hashlib.sha256("\n".join(f"{file} {sha256}" for file, sha256 in wheels).encode()).hexdigest()[
        :24
    ]

    def fill(folder: Path) -> None:
        for file, sha256 in wheels:
            _extract(directory / file, sha256, folder)

    return extracted_once("wheels", digest, fill)


def extracted_once(kind: str, digest: str, fill: Callable[[Path], None]) -> Path:
    """A folder that is filled once a machine, however many processes ask for it at once.

    It lies in a folder that only this user can write to: what is in it is imported.

    Args:
        kind: what it holds.
        digest: names its content.
        fill: writes the content into a folder that is not there yet.
    """
    base = Path(tempfile.gettempdir()) / f"snowpipe_ml_{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    owner = base.lstat()
    if owner.st_uid != os.getuid() or not stat.S_ISDIR(owner.st_mode) or owner.st_mode & 0o022:
        raise ValueError(f"{base} is not this user's alone, and what is in it cannot be trusted")
    base = base / kind
    base.mkdir(exist_ok=True)
    target = base / digest
    if target.is_dir():
        return target
    with open(base / f"{digest}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        aside = base / f"{digest}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        try:
            fill(aside)
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return target


def _extract(wheel: Path, sha256: str, folder: Path) -> None:
    try:
        with wheel.open("rb") as file:
            there = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ValueError(f"{wheel.name} is not among the function's imports") from None
    if there != sha256:
        raise ValueError(
            f"{wheel.name} is not the wheel that was staged: its sha256 is {there[:16]}..., not {sha256[:16]}..."
        )
    extract_archive(wheel, folder)


def extract_archive(path: Path, folder: Path) -> None:
    """Extract a zip into a folder.

    Raises:
        ValueError: it has a member that would land outside of the folder, or a link.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            parts = PurePosixPath(member.filename.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"{path.name} has a member that must not be extracted: {member.filename!r}")
        archive.extractall(folder)
