"""Python environments with one orchestrator each, made once and kept in the user's cache folder.

The orchestrators pin packages that this package needs in other versions, or that exclude each other.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from tests.conftest import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snowpipe-ml"
_UV = Path(sys.executable).parent / "uv"


def python_of(extra: str) -> Path:
    """Return the interpreter of the environment with an extra, which is made if it does not exist.

    It has the dependencies of the package, and not the package: a test puts that on the path. The reference pipeline
    also needs ``holidays`` and the packages that draw its plots.
    """
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    options = config["options"]
    extras = config["options.extras_require"]
    wanted = [
        line
        for text in (options["install_requires"], extras["local"], extras["plots"], extras[extra])
        for line in text.split("\n")
        if line
    ]
    wanted += [line for line in extras["forecast"].split("\n") if line.startswith("holidays")]
    return python_with(extra, wanted)


def python_with(name: str, wanted: Sequence[str]) -> Path:
    """Return the interpreter of the environment with some packages, which is made if it does not exist."""
    digest = hashlib.sha256("\n".join([sys.version, "compiled", *wanted]).encode()).hexdigest()[:12]
    folder = CACHE / "environments" / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        python = folder / "bin" / "python"
        done = folder / "installed"
        if not done.exists():
            subprocess.run(
                [_UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True
            )
            subprocess.run(
                [_UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *wanted],
                check=True,
            )
            done.touch()
    return python


def node_modules(*wanted: str) -> Path:
    """Return the folder ``node_modules`` with some packages of npm, which is made if it does not exist."""
    digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:12]
    folder = CACHE / "environments" / f"node-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        done = folder / "installed"
        if not done.exists():
            command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *wanted]
            subprocess.run(command, check=True)
            done.touch()
    return folder / "node_modules"
