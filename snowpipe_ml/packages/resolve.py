"""Resolution of requirements for a function's Python version on Snowflake's platform, with uv.

pip evaluates environment markers for the machine that it runs on; uv takes the target's Python version and
platform as options. Only wheels are considered, so nothing is built.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from snowpipe_ml.errors import MissingExtraError, PackageError
from snowpipe_ml.temporary import TemporaryFolder
from snowpipe_ml.text.redaction import redact

PLATFORM = "linux"
_LINE = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?:\s+#\s*via\s+(?P<via>.*))?$")


@dataclass
class Resolved:
    """A distribution of the closure.

    Attributes:
        name: the canonical name.
        version: the chosen version.
        wheels: file name -> sha256 of the wheels that fit the platform.
        parents: the distributions that require it; empty if only the given requirements name it.
        root: whether the given requirements name it.
    """

    name: str
    version: str
    wheels: dict[str, str] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    root: bool = False


def resolve(
    requirements: Sequence[str],
    *,
    python: str,
    constraints: Iterable[str] = (),
    excluded: Iterable[str] = (),
    wheels: Path | None = None,
) -> dict[str, Resolved]:
    """Resolve requirements and all their dependencies.

    Args:
        requirements: the requirements in pip's syntax, without files or URLs.
        python: the Python version, such as ``3.11``.
        constraints: constraints on versions, in pip's syntax.
        excluded: the distributions to leave out of the resolution.
        wheels: a folder of wheels to resolve from; the index if None.

    Returns:
        The distributions, by canonical name.

    Raises:
        PackageError: no versions fit, or the index cannot be reached.
    """
    with TemporaryFolder("resolve") as folder:
        options = [
            "--python-version",
            python,
            "--python-platform",
            PLATFORM,
            "--only-binary",
            ":all:",
            "--no-header",
            "--no-config" if "UV_CONFIG_FILE" not in os.environ else "--quiet",
            "--quiet",
        ]
        for option, lines in (("--constraint", constraints), ("--excludes", excluded)):
            listed = sorted(lines)
            if listed:
                file = folder / f"{option.strip('-')}.txt"
                file.write_text("\n".join(listed) + "\n", encoding="utf-8")
                options += [option, str(file)]
        if wheels is not None:
            options += ["--no-index", "--find-links", str(wheels)]
        environment = _environment() if wheels is None else dict(os.environ)
        found = _read_graph(_run([*options, "--annotation-style", "line"], requirements, environment))
        for text in requirements:
            found[canonicalize_name(Requirement(text).name)].root = True
        lock = folder / "pylock.toml"
        pins = folder / "pins.txt"
        pins.write_text("\n".join(f"{r.name}=={r.version}" for r in found.values()) + "\n", encoding="utf-8")
        _run([*options, "--constraint", str(pins), "--output-file", str(lock)], requirements, environment)
        _add_wheels(found, tomllib.loads(lock.read_text(encoding="utf-8")))
    return found


def _read_graph(text: str) -> dict[str, Resolved]:
    found: dict[str, Resolved] = {}
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if not match:
            raise PackageError(f"the output of uv has a line that cannot be parsed: {line!r}")
        via = [item.strip() for item in (match["via"] or "").split(",") if item.strip()]
        name = canonicalize_name(match["name"])
        parents = tuple(canonicalize_name(item) for item in via if not item.startswith("-"))
        found[name] = Resolved(name, match["version"], parents=parents)
    return found


def _add_wheels(found: Mapping[str, Resolved], lock: Mapping[str, object]) -> None:
    packages = lock.get("packages")
    assert isinstance(packages, list)
    for package in packages:
        resolved = found[canonicalize_name(package["name"])]
        for wheel in package.get("wheels") or []:
            place = wheel.get("name") or wheel.get("url") or wheel["path"]
            name = unquote(urlsplit(place).path).rsplit("/", 1)[-1]
            resolved.wheels[name] = wheel["hashes"]["sha256"]


def _run(options: Sequence[str], requirements: Sequence[str], environment: Mapping[str, str]) -> str:
    command = [_uv(), "pip", "compile", *options, "-"]
    done = subprocess.run(
        command,
        input="\n".join(requirements),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise PackageError(_explained(done.stderr, requirements))
    return done.stdout


def _uv() -> str:
    try:
        from uv import find_uv_bin
    except ImportError:
        found = shutil.which("uv")
        if found is None:
            raise MissingExtraError("packages", "resolving the requirements of an import") from None
        return found
    return str(find_uv_bin())


def _environment() -> dict[str, str]:
    """The environment for uv, which uses pip's configured index unless uv has its own."""
    environment = dict(os.environ)
    if not any(environment.get(key) for key in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        index = environment.get("PIP_INDEX_URL") or _configured_index()
        if index:
            environment["UV_DEFAULT_INDEX"] = index
    return environment


def _configured_index() -> str:
    """The index in pip's configuration files; an empty string if there is none."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _explained(said: str, requirements: Sequence[str]) -> str:
    """The error message of uv in one paragraph, with advice."""
    lines = [re.sub(r"^[\s×╰─▶├│·]+", "", line) for line in said.strip().splitlines()]
    text = redact(" ".join(line for line in lines if line))
    wanted = ", ".join(requirements)
    if re.search(
        r"Request failed|error sending request|Could not connect|dns error|Connection refused", text, re.I
    ):
        return (
            f"the package index cannot be reached, so {wanted} cannot be resolved: {text[:600]}\n"
            "  check the network and the index (UV_DEFAULT_INDEX, or pip's index-url), or name a folder of "
            "wheels with `find_links`"
        )
    return f"no set of wheels fits {wanted} and the declared packages: {text[:1200]}"
