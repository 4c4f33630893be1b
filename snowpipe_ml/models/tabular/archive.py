"""Model archives: a model's files, with a manifest that describes the model and its requirements.

The manifest is ``manifest.json`` in the archive. A copy with the archive's hash is beside it on the stage::

    {"format": 1, "framework": "autogluon", "python": "3.11", "versions": {"numpy": "2.2.6", ...},
     "features": {"AGE": "NUMBER", ...}, "target": "CHARGES", "problem_type": "regression",
     "metrics": {...}, "leaderboard": [...], "model_id": "...", "trained_on": {...},
     "archive": "insurance-0123456789abcdef.zip", "sha256": "..."}
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

from snowpipe_ml.models.wheels import extract_archive, extracted_once

Manifest = dict[str, Any]
"""The description of a model beside its archive: JSON values."""

FORMAT = 1
MANIFEST = "manifest.json"
# The packages, besides the framework, that a model's pickles depend on.
_CORE = ("numpy", "pandas", "scipy", "scikit-learn")
FRAMEWORKS = {
    "autogluon": ("autogluon.tabular",),
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
    "python": (),
}


def versions(framework: str) -> dict[str, str]:
    """The installed versions of the packages that a model of this framework is made with."""
    found = {}
    for name in (*FRAMEWORKS[framework], *_CORE):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def python_version() -> str:
    """The version of the running Python, as Snowflake names its runtimes: ``3.11``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def pack(folder: Path, manifest: Manifest, name: str, into: Path) -> tuple[Path, Manifest]:
    """Pack a model's files into one archive, with a hash of its content in its name.

    Args:
        folder: the folder of the model's files.
        manifest: the description of the model.
        name: the model's name.
        into: the folder for the archive.

    Returns:
        The path of the archive, and the manifest with the archive's name and hash.
    """
    manifest = {"format": FORMAT, **manifest}
    aside = into / f".{name}.{os.getpid()}.zip"
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in files:
            info = zipfile.ZipInfo(f"model/{path.relative_to(folder).as_posix()}", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, path.read_bytes())
        archive.writestr(zipfile.ZipInfo(MANIFEST, (1980, 1, 1, 0, 0, 0)), json.dumps(manifest, indent=1))
    with aside.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    path = into / f"{name}-{sha256[:16]}.zip"
    aside.replace(path)
    return path, {**manifest, "archive": path.name, "sha256": sha256}


def unpack(path: Path, sha256: str | None = None, into: Path | None = None) -> tuple[Path, Manifest]:
    """Extract an archive.

    Args:
        path: the path of the archive.
        sha256: the expected hash; None skips the check.
        into: a folder that does not exist yet. If None, as in functions, a folder that all processes of
            this user share.

    Returns:
        The folder of the model's files, and the manifest.

    Raises:
        ValueError: the file is not a model archive, has another hash, or has a member that must not be
            extracted.
    """
    with path.open("rb") as file:
        there = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 is not None and there != sha256:
        raise ValueError(
            f"{path.name} is not the model that was packaged: its sha256 is {there[:16]}..., "
            f"expected {sha256[:16]}..."
        )
    if into is not None:
        extract_archive(path, into)
        target = into
    else:
        target = extracted_once("models", there[:24], lambda folder: extract_archive(path, folder))
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} is not a model archive: it has no readable {MANIFEST}") from error
    if manifest.get("format") != FORMAT:
        raise ValueError(
            f"{path.name} has the archive format {manifest.get('format')}, but this code reads {FORMAT}"
        )
    return target / "model", manifest
