"""Which packages a function may import: those it declares, with what they require.

Names are those of Snowflake's channel; the distributions are those installed beside this package.
Versions that are not installed cannot be had, which is an error when the function is created.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from snowpipe_ml.local.core import errors
from snowpipe_ml.packages.channel import channel_name, distribution_name, parse_package


@cache
def installed() -> Mapping[str, metadata.Distribution]:
    """The installed distributions, by canonical name."""
    found: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(canonicalize_name(name), distribution)
    return found


def parse(text: str) -> Requirement:
    """A package as PACKAGES lists it: ``pandas``, ``pandas==2.3.3``, ``cloudpickle>=3``.

    Raises:
        ProgrammingError: it is no requirement.
    """
    try:
        return parse_package(text)
    except InvalidRequirement as error:
        raise errors.error(
            391546, "42601", f"SQL compilation error:\nInvalid package specification '{text}'"
        ) from error


def check(packages: Iterable[str]) -> None:
    """Every declared package must be installed in a version that fits.

    Raises:
        ProgrammingError: what is missing, and what to install.
    """
    for text in packages:
        requirement = parse(text)
        name = distribution_name(requirement.name)
        if name in ("python",):
            continue
        distribution = installed().get(name)
        pip = f"{name}{requirement.specifier}"
        if distribution is None:
            raise errors.error(
                391546,
                "42601",
                f"SQL compilation error:\nCannot create a Python function with the specified packages. "
                f"'{text}' is not installed for the embedded warehouse: pip install '{pip}'",
            )
        if not requirement.specifier.contains(distribution.version, prereleases=True):
            raise errors.error(
                391546,
                "42601",
                f"SQL compilation error:\nCannot create a Python function with the specified packages. "
                f"'{text}' is asked for and {name} {distribution.version} is installed: pip install '{pip}'",
            )


def closure(packages: Iterable[str]) -> set[str]:
    """The distributions that come with the packages: their requirements, all the way down."""
    found: set[str] = set()
    queue = [(distribution_name(parse(text).name), frozenset(parse(text).extras)) for text in packages]
    while queue:
        name, extras = queue.pop()
        distribution = installed().get(name)
        if distribution is None or (name in found and not extras):
            continue
        found.add(name)
        for text in distribution.requires or ():
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in extras] or [{"extra": ""}]
            if requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments):
                queue.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


@cache
def _modules() -> Mapping[str, tuple[str, ...]]:
    """Top-level module -> the distributions that bring it."""
    return {
        module: tuple(canonicalize_name(name) for name in names)
        for module, names in metadata.packages_distributions().items()
    }


def blocked_modules(packages: Iterable[str]) -> dict[str, str]:
    """Installed top-level modules that the packages do not bring -> the channel name to declare."""
    allowed = closure(packages)
    return {
        module: channel_name(names[0])
        for module, names in _modules().items()
        if not allowed.intersection(names) and module not in sys.stdlib_module_names
    }
