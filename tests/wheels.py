"""Small real wheels, for tests that need their own packages."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
) -> Path:
    """Write a wheel with a RECORD, like a build backend."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_").replace(".", "_")
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {text}\n" for text in requires)
    content = {
        **(files if files is not None else {f"{module}/__init__.py": f"VERSION = {version!r}\n"}),
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text.encode())}\n"
        for path, text in content.items()
    )
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in content.items():
            archive.writestr(member, text)
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return path


def wheel_of_installed(folder: Path, name: str) -> Path:
    """Write a wheel of an installed pure distribution, from its files."""
    distribution = metadata.distribution(name)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('-', '_')}-{distribution.version}-py3-none-any.whl"
    left_out = ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD")
    with zipfile.ZipFile(path, "w") as archive:
        lines = []
        for file in distribution.files or ():
            if file.suffix == ".pyc" or file.name in left_out:
                continue
            data = file.read_binary()
            archive.writestr(file.as_posix(), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{file.as_posix()},sha256={digest},{len(data)}\n")
            if file.name == "METADATA":
                record = file.with_name("RECORD").as_posix()
        archive.writestr(record, "".join(lines) + f"{record},,\n")
    return path
