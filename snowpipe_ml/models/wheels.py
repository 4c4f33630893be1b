"""Make the wheels among a function's imports importable.

Snowflake copies a staged wheel into the import folder but does not add it to ``sys.path``, and adding
the wheel itself would not suffice: packages without ``__init__.py`` (such as pytorch-tabnet and the
``autogluon`` namespace) cannot be imported from a zip, and packages cannot read their data files from
one. So all wheels of a function are extracted into one folder, once per machine, as an installer would
do. A namespace package that is spread over several wheels is complete there, and ``sys.path`` gets one
new entry instead of one per wheel.

The name of the folder is a hash over its wheels, so it never mixes versions.
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
    """The folder that holds the function's imports."""
    return Path(str(sys._xoptions["snowflake_import_directory"]))


def add_wheels() -> None:
    """Put the wheels that ``wheels.json`` names on ``sys.path``, before the runtime's own packages.

    Raises:
        ValueError: a wheel differs from the staged one, or has a member that must not be extracted.
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
    """The folder that holds the content of all wheels."""
    digest = hashlib.sha256("\n".join(f"{file} {sha256}" for file, sha256 in wheels).encode()).hexdigest()[
        :24
    ]

    def fill(folder: Path) -> None:
        for file, sha256 in wheels:
            _extract(directory / file, sha256, folder)

    return extracted_once("wheels", digest, fill)


def extracted_once(kind: str, digest: str, fill: Callable[[Path], None]) -> Path:
    """Return a folder that is filled once per machine, however many processes ask for it at once.

    Its parent folder is writable by this user only, because its content is imported.

    Args:
        kind: the kind of content, which names a subfolder.
        digest: a digest of the content, which names the folder.
        fill: a function that writes the content to a path that does not exist yet.

    Raises:
        ValueError: the parent folder is not one that only this user can write to.
    """
    base = Path(tempfile.gettempdir()) / f"snowpipe_ml_{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    owner = base.lstat()
    if owner.st_uid != os.getuid() or not stat.S_ISDIR(owner.st_mode) or owner.st_mode & 0o022:
        raise ValueError(
            f"{base} is not a folder that only this user can write to: its content cannot be trusted"
        )
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
            f"{wheel.name} is not the wheel that was staged: its sha256 is {there[:16]}..., "
            f"expected {sha256[:16]}..."
        )
    extract_archive(wheel, folder)


def extract_archive(path: Path, folder: Path) -> None:
    """Extract a wheel or a model's zip into a folder, inside a function.

    Raises:
        ValueError: the zip has a link, or a member that would be extracted outside of the folder.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            parts = PurePosixPath(member.filename.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"{path.name} has a member that must not be extracted: {member.filename!r}")
        archive.extractall(folder)
