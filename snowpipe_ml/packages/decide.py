"""Decide which distributions of a closure are taken from the channel, and which are staged as wheels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from snowpipe_ml.errors import PackageError
from snowpipe_ml.packages.channel import channel_name, distribution_name, parse_package
from snowpipe_ml.packages.lock import ImportLock, Locked
from snowpipe_ml.packages.resolve import Resolved, resolve
from snowpipe_ml.packages.wheels import fetch, inspect, is_pure

# Distribution -> its versions in the channel.
Channel = Mapping[str, Collection[str]]


def lock_import(
    requirements: Sequence[str],
    *,
    python: str,
    packages: Sequence[str] = (),
    listed: str | None = None,
    native: Collection[str] = (),
    folder: Path | None = None,
    source: str = "index",
    channel: Channel | None = None,
) -> ImportLock:
    """Resolve an import's requirements and decide the source of each distribution.

    Args:
        requirements: the requirements of the import.
        python: the function's Python version.
        packages: the packages of the channel that the spec declares.
        listed: the name of the list under ``packages`` that declares them.
        native: the distributions whose native wheels may be staged.
        folder: a folder of wheels that replaces the index.
        source: the name of the wheels' source in the lock.
        channel: the content of the channel, if it is known. Its packages are preferred to wheels.

    Raises:
        PackageError: no versions fit, or distributions with native code are neither declared nor allowed.
            The message names all of them.
    """
    roots = [canonicalize_name(Requirement(text).name) for text in requirements]
    declared = {distribution_name(p.name): p for p in map(parse_package, packages)}
    # A folder of wheels need not contain the declared packages, so they are excluded from the resolution.
    excluded = [name for name in declared if name not in roots] if folder is not None else []
    constraints = [
        f"{name}{p.specifier}" for name, p in declared.items() if p.specifier and name not in excluded
    ]
    for name, versions in (channel or {}).items():
        if name not in declared and name not in roots:
            constraints.append(f"{name}=={max(versions, key=Version)}")
    closure = resolve(requirements, python=python, constraints=constraints, excluded=excluded, wheels=folder)
    allowed = {canonicalize_name(name) for name in native}
    decided = _decide(closure, declared, channel or {}, listed, allowed)
    wheels = {name: decided[name] for name in decided if decided[name].as_ == "wheel"}
    files = fetch(
        {str(w.file): (name, w.version, str(w.sha256)) for name, w in wheels.items()},
        python=python,
        folder=folder,
    )
    children = _children(closure)
    distributions = {}
    for name, locked in decided.items():
        if locked.file is None:
            distributions[name] = Locked(
                locked.version,
                "channel",
                locked.why,
                requires=tuple(sorted(children[name])),
                declare=locked.declare,
            )
            continue
        info = inspect(files[locked.file], python)
        if not info.pure and name not in allowed:
            raise PackageError(f"{locked.file} is tagged as pure Python but contains native code")
        distributions[name] = Locked(
            locked.version,
            "wheel",
            locked.why,
            requires=_needed(info.requires, closure, excluded),
            file=locked.file,
            sha256=locked.sha256,
            source=source,
            modules=info.modules,
        )
    return ImportLock(tuple(requirements), python, tuple(packages), distributions)


def _needed(
    requires: Sequence[str], closure: Mapping[str, Resolved], excluded: Collection[str]
) -> tuple[str, ...]:
    known = {*closure, *excluded}
    return tuple(text for text in requires if canonicalize_name(Requirement(text).name) in known)


def _children(closure: Mapping[str, Resolved]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {name: [] for name in closure}
    for name, resolved in closure.items():
        for parent in resolved.parents:
            children[parent].append(name)
    return children


def _decide(
    closure: Mapping[str, Resolved],
    declared: Collection[str],
    channel: Channel,
    listed: str | None,
    allowed: Collection[str],
) -> dict[str, Locked]:
    children = _children(closure)
    with_: dict[str, str] = {}
    for start in declared:
        queue = [start]
        while queue:
            name = queue.pop()
            for child in children.get(name, []):
                if child not in with_ and child not in declared:
                    with_[child] = start
                    queue.append(child)
    decided, refused = {}, []
    for name, resolved in closure.items():
        chain = " -> ".join(_chain(closure, name))
        if name in declared:
            decided[name] = Locked(resolved.version, "channel", f"declared under packages.{listed}")
        elif name in with_:
            decided[name] = Locked(resolved.version, "channel", f"comes with {channel_name(with_[name])}")
        elif name in channel and not resolved.root:
            decided[name] = Locked(resolved.version, "channel", f"the channel has it; {chain}", declare=True)
        elif pure := next((file for file in sorted(resolved.wheels) if is_pure(file)), None):
            why = "asked for by the spec" if resolved.root else f"pure Python; {chain}"
            decided[name] = Locked(resolved.version, "wheel", why, file=pure, sha256=resolved.wheels[pure])
        elif name in allowed and resolved.wheels:
            file = sorted(resolved.wheels)[0]
            why = f"native code, allowed by the spec; {chain}"
            decided[name] = Locked(resolved.version, "wheel", why, file=file, sha256=resolved.wheels[file])
        else:
            refused.append(f"  {name} {resolved.version}, required by: {chain}")
    if refused:
        where = f"`packages.{listed}`" if listed else "a list of `packages`, named by the import"
        raise PackageError(
            "these packages contain native code, which cannot be imported from a stage:\n"
            + "\n".join(refused)
            + "\n"
            f"declare them under {where} if Snowflake's channel has them, or take all packages from an "
            "`artifact_repository`; to stage a wheel that is known to run there anyway, list it as "
            "`native: [NAME]`"
        )
    return decided


def _chain(closure: Mapping[str, Resolved], name: str) -> list[str]:
    """A shortest dependency chain from a requirement of the spec to a distribution."""
    chains = [[name]]
    seen = {name}
    for chain in chains:
        if closure[chain[0]].root:
            return chain
        for parent in closure[chain[0]].parents:
            if parent not in seen:
                seen.add(parent)
                chains.append([parent, *chain])
    return [name]
