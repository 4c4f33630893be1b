"""Wheels in a function's imports, made importable.

Snowflake puts a staged wheel into the import folder but not on ``sys.path``, and a wheel that is
there as it is would not do: packages without ``__init__.py`` (pytorch-tabnet is one) cannot be
imported from a zip, nor can packages read files of their own. So each is extracted, once a machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path


def import_directory() -> Path:
    """The folder with the function's imports."""
    return Path(str(sys._xoptions["snowflake_import_directory"]))


def add_wheels() -> None:
    """Extract every staged wheel and put it on ``sys.path``.

    Raises:
        ValueError: a wheel has a member that would land outside of its folder.
    """
    for wheel in sorted(import_directory().glob("*.whl")):
        folder = str(_extracted(wheel))
        if folder not in sys.path:
            sys.path.append(folder)


def _extracted(wheel: Path) -> Path:
    """The folder of a wheel's content, named by it; several processes may ask at once."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()[:24]
    base = Path(tempfile.gettempdir()) / "snowpipe_ml_wheels"
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
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if not (aside / member).resolve().is_relative_to(aside.resolve()):
                    raise ValueError(f"{wheel.name} has a member outside of its folder: {member!r}")
            archive.extractall(aside)
        aside.rename(target)
    return target
