"""Wheel files: fetched by name and hash, cached by hash, and inspected without installation."""

from __future__ import annotations

import base64
import contextlib
import csv
import email
import hashlib
import io
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement

from snowpipe_ml.errors import PackageError
from snowpipe_ml.temporary import TemporaryFolder
from snowpipe_ml.text.redaction import redact

_NATIVE = (".so", ".pyd", ".dylib", ".dll")
_MAX_UNPACKED = 4 * 2**30


@dataclass(frozen=True)
class WheelInfo:
    """The facts read from a wheel.

    Attributes:
        pure: whether it contains no native code, by its tag and by its members.
        modules: its top-level modules and packages; ``autogluon.core`` for one in a namespace package.
        requires: its requirements on Snowflake's platform, without extras.
    """

    pure: bool
    modules: tuple[str, ...]
    requires: tuple[str, ...]


def wheel_cache() -> Path:
    """The cache folder of downloaded wheels, shared by all pipelines of the user."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "snowpipe-ml" / "wheels"


def is_pure(file_name: str) -> bool:
    """Return whether a wheel's file name has the tag for any platform."""
    return file_name.endswith("-none-any.whl")


def sha256_of(path: Path) -> str:
    """The hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    wanted: Mapping[str, tuple[str, str, str]], *, python: str, folder: Path | None = None
) -> dict[str, Path]:
    """Return the wheel files of distributions, from a folder, the cache or the index.

    Args:
        wanted: file name -> (distribution, version, sha256).
        python: the Python version of the wheels.
        folder: the folder that holds the wheels; the cache and the index if None.

    Raises:
        PackageError: a file is missing, cannot be downloaded, or differs from the locked file.
    """
    found = {}
    missing = {}
    for file, (name, version, sha256) in wanted.items():
        path = (folder or wheel_cache() / sha256[:16]) / file
        if path.is_file():
            found[file] = _verified(path, sha256)
        elif folder is not None:
            raise PackageError(f"{file} ({name} {version}) is not in {folder}")
        else:
            missing[file] = (name, version, sha256)
    if missing:
        found.update(_download(missing, python))
    return found


def _verified(path: Path, sha256: str) -> Path:
    there = sha256_of(path)
    if there != sha256:
        raise PackageError(
            f"{path.name} is not the file that was locked: its sha256 is {there[:16]}..., "
            f"expected {sha256[:16]}... ({path})\n  remove the file if it is damaged; "
            "run 'snowpipe-ml packages SPEC --lock' if it was replaced on purpose"
        )
    return path


def _download(missing: Mapping[str, tuple[str, str, str]], python: str) -> dict[str, Path]:
    cache = wheel_cache()
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryFolder("wheels", cache) as folder:
        listed = folder / "requirements.txt"
        lines = [f"{name}=={version} --hash=sha256:{sha256}" for name, version, sha256 in missing.values()]
        listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--python-version",
            python,
            "--disable-pip-version-check",
            "--dest",
            str(folder),
            *(o for tag in _PLATFORMS for o in ("--platform", tag)),
            "--requirement",
            str(listed),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip() and "WARNING" not in line]
            reason = redact(" ".join(said[-3:]))[:800] or "no output"
            raise PackageError(f"pip cannot download {', '.join(sorted(missing))}: {reason}")
        found = {}
        for file, (name, version, sha256) in missing.items():
            path = folder / file
            if not path.is_file():
                raise PackageError(f"pip did not download the locked file {file} for {name} {version}")
            target = cache / sha256[:16] / file
            target.parent.mkdir(exist_ok=True)
            os.replace(_verified(path, sha256), target)
            found[file] = target
    return found


_PLATFORMS = ("any", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64")


def inspect(path: Path, python: str) -> WheelInfo:
    """Check that a wheel is intact and safe to extract, and read its modules and requirements.

    Raises:
        PackageError: the file is not a wheel, is damaged, or has members that must not be extracted.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive, path.name)
            names = archive.namelist()
            info = next((n for n in names if n.endswith(".dist-info/METADATA") and n.count("/") == 1), None)
            if info is None:
                raise PackageError(f"{path.name} is not a wheel: it has no .dist-info/METADATA")
            metadata = email.message_from_bytes(archive.read(info))
            _check_record(archive, info.replace("METADATA", "RECORD"), path.name)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise PackageError(f"{path.name} is damaged: {error} ({path})") from error
    requires = [
        r for r in _requirements(metadata.get_all("Requires-Dist") or []) if _applies(r.marker, python)
    ]
    native = [name for name in names if name.endswith(_NATIVE) or ".so." in name]
    return WheelInfo(
        pure=is_pure(path.name) and not native,
        modules=tuple(sorted(_modules(names))),
        requires=tuple(sorted(f"{r.name}{r.specifier}" for r in requires)),
    )


def _requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    """Parse the requirements of a wheel. Invalid lines, found in old wheels, are skipped, as uv does."""
    for line in lines:
        with contextlib.suppress(InvalidRequirement):
            yield Requirement(line)


def check_members(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse an archive that would write outside of its folder, contains links, or is too large.

    Raises:
        PackageError: the archive is refused.
    """
    total = 0
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        outside = path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]
        if outside:
            raise PackageError(f"{name} has a member outside of its folder: {member.filename!r}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise PackageError(f"{name} has a member that is a link: {member.filename!r}")
        total += member.file_size
    if total > _MAX_UNPACKED:
        raise PackageError(
            f"{name} is too large: {total / 2**30:.1f} GiB unpacked, and at most "
            f"{_MAX_UNPACKED / 2**30:.0f} GiB are allowed"
        )


def _check_record(archive: zipfile.ZipFile, record: str, name: str) -> None:
    """Compare every member with its hash in RECORD."""
    try:
        rows = csv.reader(io.StringIO(archive.read(record).decode("utf-8")))
    except KeyError:
        raise PackageError(f"{name} is not a wheel: it has no RECORD") from None
    for row in rows:
        if len(row) < 2 or not row[1]:
            continue
        member, (algorithm, _, expected) = row[0], row[1].partition("=")
        try:
            data = archive.read(member)
        except KeyError:
            raise PackageError(f"{name} is damaged: {member} is missing") from None
        digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()
        if digest != expected:
            raise PackageError(f"{name} is damaged: {member} does not match its hash in RECORD")


def _applies(marker: Marker | None, python: str) -> bool:
    environment = {
        "extra": "",
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return marker is None or marker.evaluate(environment)


def _modules(names: Iterable[str]) -> set[str]:
    """The top-level modules; of a namespace package (one without ``__init__.py``), the modules in it."""
    names = [name for name in names if ".dist-info/" not in name and ".data/" not in name]
    regular = {name.rpartition("/")[0] for name in names if name.endswith("/__init__.py")}
    found = set()
    for name in names:
        if not name.endswith((".py", *_NATIVE)):
            continue
        parts = name.split("/")
        folders = ["/".join(parts[: i + 1]) for i in range(len(parts) - 1)]
        top = next((folder for folder in folders if folder in regular), None)
        module = top or "/".join([*parts[:-1], parts[-1].split(".")[0]])
        found.add(module.replace("/", "."))
    return found


def copy_into(paths: Iterable[Path], folder: Path) -> None:
    """Copy wheels into a folder, which can then replace the index."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        shutil.copy(path, folder / path.name)
