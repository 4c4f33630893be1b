"""The lock file beside a spec: the distributions that each import stages or takes from the channel, and why.

The lock is checked against the spec without a network. A distribution or declared package that is missing
is reported before anything is uploaded, with the chain of dependencies that needs it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from snowpipe_ml.errors import PackageError
from snowpipe_ml.packages.channel import channel_name, distribution_name, parse_package
from snowpipe_ml.text.files import read_text

VERSION = 1
_HEADER = "# Written by `snowpipe-ml packages SPEC --lock`. Keep it beside the spec, under version control.\n"


@dataclass(frozen=True)
class Locked:
    """A distribution of an import's closure.

    Attributes:
        version: the resolved version.
        as_: ``wheel`` if it is staged; ``channel`` if the function declares it, or it is a dependency of a
            declared package.
        why: the reason for this decision, as text.
        requires: its dependencies: requirements for a wheel, names for a package of the channel.
        file: the wheel's file name.
        sha256: the wheel's hash.
        source: ``index``, or the folder of wheels as the spec names it.
        modules: the top-level modules that the wheel provides.
        declare: whether the function must list it under PACKAGES, because it is taken from the channel
            although the spec does not declare it.
    """

    version: str
    as_: Literal["wheel", "channel"]
    why: str
    requires: tuple[str, ...] = ()
    file: str | None = None
    sha256: str | None = None
    source: str | None = None
    modules: tuple[str, ...] = ()
    declare: bool = False


@dataclass(frozen=True)
class ImportLock:
    """The resolution of one import of the spec."""

    requirements: tuple[str, ...]
    python: str
    packages: tuple[str, ...]
    distributions: Mapping[str, Locked] = field(default_factory=dict)

    @property
    def wheels(self) -> dict[str, Locked]:
        """The distributions that are staged as wheels."""
        return {name: locked for name, locked in self.distributions.items() if locked.as_ == "wheel"}

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that the staged wheels provide."""
        return tuple(sorted({module for locked in self.wheels.values() for module in locked.modules}))

    @property
    def declared_here(self) -> list[str]:
        """The packages of the channel that the function must declare in addition to those of the spec."""
        return [
            f"{channel_name(name)}=={locked.version}"
            for name, locked in self.distributions.items()
            if locked.declare
        ]


def read_lock(path: Path) -> dict[str, ImportLock]:
    """Read the locks of a spec's imports, by name; empty if there is no file.

    Raises:
        PackageError: the file cannot be read, or is not a lock file.
    """
    if not path.is_file():
        return {}
    try:
        return _read(path.name, read_text(path))
    except OSError as error:
        raise PackageError(f"{path.name} cannot be read: {error}") from error


@lru_cache(maxsize=8)
def _read(name: str, text: str) -> dict[str, ImportLock]:
    """Parse a lock file. The result is cached: YAML is slow, and every step with an import reads it."""
    try:
        document = yaml.safe_load(text)
        if document["version"] != VERSION:
            raise PackageError(
                f"{name} has version {document['version']}, but this snowpipe-ml reads version {VERSION}: "
                "write it again with 'snowpipe-ml packages SPEC --lock'"
            )
        return {key: _read_import(entry) for key, entry in document["imports"].items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise PackageError(
            f"{name} is not a lock file ({type(error).__name__}: {error}); write it again with "
            "'snowpipe-ml packages SPEC --lock'"
        ) from error


def _read_import(entry: Mapping[str, Any]) -> ImportLock:
    distributions = {}
    for name, given in entry["distributions"].items():
        values = {**given, "as_": given["as"], "source": given.get("from")}
        values.pop("as")
        values.pop("from", None)
        for key in ("requires", "modules"):
            values[key] = tuple(values.get(key) or ())
        distributions[name] = Locked(**values)
    return ImportLock(
        tuple(entry["requirements"]), str(entry["python"]), tuple(entry.get("packages") or ()), distributions
    )


def lock_text(locks: Mapping[str, ImportLock]) -> str:
    """The text of a lock file, which does not depend on the order of the locks."""
    imports = {}
    for name, lock in sorted(locks.items()):
        listed = {}
        for distribution, locked in sorted(lock.distributions.items()):
            values = asdict(locked)
            entry = {
                "version": locked.version,
                "as": locked.as_,
                "file": locked.file,
                "sha256": locked.sha256,
                "from": locked.source,
                "why": locked.why,
                "declare": values["declare"] or None,
                "requires": list(locked.requires),
                "modules": list(locked.modules),
            }
            listed[distribution] = {key: value for key, value in entry.items() if value not in (None, [])}
        imports[name] = {
            "requirements": list(lock.requirements),
            "python": lock.python,
            "packages": list(lock.packages),
            "distributions": listed,
        }
    return _HEADER + yaml.safe_dump({"version": VERSION, "imports": imports}, sort_keys=False, width=1000)


def write_lock(path: Path, locks: Mapping[str, ImportLock]) -> None:
    """Write a lock file atomically."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(lock_text(locks), encoding="utf-8")
    aside.replace(path)


def brought(distributions: Mapping[str, Locked], packages: Iterable[str]) -> dict[str, str]:
    """Map each distribution that is a declared package, or a dependency of one, to the declared package."""
    found: dict[str, str] = {}
    for text in packages:
        start = distribution_name(parse_package(text).name)
        queue = deque([start])
        while queue:
            name = queue.popleft()
            if name in found and name != start:
                continue
            found.setdefault(name, start)
            node = distributions.get(name)
            if node is not None and (node.as_ == "channel" or name == start):
                queue.extend(canonicalize_name(Requirement(r).name) for r in node.requires)
    return found


def _chains(lock: ImportLock) -> Iterator[list[str]]:
    """The shortest dependency chain to every required distribution, in order of length."""
    roots = [canonicalize_name(Requirement(text).name) for text in lock.requirements]
    queue: deque[list[str]] = deque([root] for root in dict.fromkeys(roots))
    seen: set[str] = set(roots)
    while queue:
        chain = queue.popleft()
        yield chain
        node = lock.distributions.get(chain[-1])
        for text in node.requires if node is not None else ():
            name = canonicalize_name(Requirement(text).name)
            if name not in seen:
                seen.add(name)
                queue.append([*chain, name])


def problems(
    lock: ImportLock | None,
    *,
    requirements: Sequence[str],
    python: str,
    packages: Collection[str],
    listed: str | None,
) -> list[str]:
    """Check a lock against the current spec.

    Args:
        lock: the lock of the import; None if there is none.
        requirements: the requirements in the spec.
        python: the function's Python version.
        packages: the packages that the spec declares for the import.
        listed: the name of the list under ``packages`` that declares them.

    Returns:
        The problems, as messages; empty if the lock can be used.
    """
    again = "run 'snowpipe-ml packages SPEC --lock'"
    if lock is None:
        return [f"its requirements are not locked: {again}"]
    if sorted(lock.requirements) != sorted(requirements):
        return [
            f"the lock was made for {', '.join(lock.requirements)}, but the spec requires "
            f"{', '.join(requirements)}: {again}"
        ]
    if lock.python != python:
        return [f"the lock is for Python {lock.python}, but the function runs on {python}: {again}"]
    found = []
    available = brought(lock.distributions, packages)
    where = f"`packages.{listed}`" if listed else "`packages`"
    for chain in _chains(lock):
        name, needed = chain[-1], " -> ".join(chain)
        node = lock.distributions.get(name)
        if name in available or (node is not None and (node.as_ == "wheel" or node.declare)):
            continue
        above = [lock.distributions.get(parent) for parent in chain[:-1]]
        if any(parent is None or parent.as_ == "channel" for parent in above):
            continue  # the parent package brings it along, or the missing parent is the problem to report
        if node is None:
            found.append(
                f"{name} is neither locked nor declared, and is needed: {needed}. {again}, "
                f"or declare it under {where}"
            )
        else:
            found.append(
                f"{channel_name(name)} is not declared under {where}, and is needed: {needed}. "
                f"Declare it, or {again}"
            )
    found += _versions(lock, packages, again)
    return found


def _versions(lock: ImportLock, packages: Iterable[str], again: str) -> Iterator[str]:
    for text in packages:
        package = parse_package(text)
        node = lock.distributions.get(distribution_name(package.name))
        if node is not None and not package.specifier.contains(node.version, prereleases=True):
            yield f"the spec declares {text}, but the lock was made with {node.version}: {again}"
