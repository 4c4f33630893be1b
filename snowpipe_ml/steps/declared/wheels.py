"""Fetch wheels from a folder, from the cache or with pip."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import canonicalize_name

from snowpipe_ml.errors import StepError
from snowpipe_ml.packages.wheels import inspect, is_pure, wheel_cache
from snowpipe_ml.temporary import TemporaryFolder

_PINNED = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+")


def _same(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def fetch_wheels(requirements: Iterable[str], base_dir: Path) -> list[Path]:
    """Return the wheel file of each requirement: ``name==version``, or a path to a ``.whl``.

    Raises:
        StepError: a version is not pinned, or a wheel contains native code or cannot be fetched.
    """
    return [_fetch(text.strip(), base_dir) for text in requirements]


def distribution_of(text: str) -> str:
    """Return the PyPI name of a requirement: ``name==version``, or a path to a ``.whl``."""
    text = text.strip()
    return canonicalize_name(Path(text).name.split("-")[0] if text.endswith(".whl") else text.split("==")[0])


def wheel_fault(text: str, base_dir: Path) -> str | None:
    """Return why a requirement cannot be fetched, as far as this can be known locally; else None."""
    text = text.strip()
    if text.endswith(".whl"):
        path = (base_dir / text).resolve()
        return None if path.is_file() else f"no such wheel: {path}"
    if not _PINNED.fullmatch(text):
        return f"{text!r} must be pinned, as in 'pytorch-tabnet==4.1.0', or be a path to a .whl"
    return None


def _fetch(text: str, base_dir: Path) -> Path:
    fault = wheel_fault(text, base_dir)
    if fault is not None:
        raise StepError(fault)
    if text.endswith(".whl"):
        return _pure((base_dir / text).resolve())
    name, _, version = text.partition("==")
    cache = wheel_cache()
    cache.mkdir(parents=True, exist_ok=True)
    for path in cache.glob("*.whl"):
        parts = path.name.split("-")
        if _same(parts[0]) == _same(name) and parts[1] == version:
            return _pure(path)
    with TemporaryFolder("wheels", cache) as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--disable-pip-version-check",
            "--dest",
            str(folder),
            text,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = list(folder.glob("*.whl"))
        if done.returncode or not found:
            said = done.stderr.strip().splitlines()
            raise StepError(f"pip cannot download a wheel of {text}: {said[-1] if said else 'no output'}")
        target = cache / found[0].name
        os.replace(found[0], target)
    return _pure(target)


def _pure(path: Path) -> Path:
    """Return a wheel without native code (``...-none-any.whl``); only such wheels can be staged."""
    if not is_pure(path.name) or not inspect(path, "3.11").pure:
        raise StepError(
            f"{path.name} contains native code, which cannot be imported from a stage: "
            "declare it under `packages`"
        )
    return path
