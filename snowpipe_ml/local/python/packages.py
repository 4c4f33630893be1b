"""The packages that a function may import: those it declares and their requirements.

Functions declare packages by their names in Snowflake's Anaconda channel. They run with the distributions
that are installed next to this package; if a declared version is not installed, CREATE FUNCTION fails.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from email.parser import HeaderParser
from functools import cache, cached_property
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from snowpipe_ml.local.core import errors
from snowpipe_ml.packages.channel import channel_name, distribution_name, parse_package


class Installed:
    """An installed distribution.

    ``importlib.metadata`` parses the whole description at each question for a name, a version or the
    requirements, which takes a fifth of a second for all distributions of an environment. Here their headers
    are parsed once.

    Attributes:
        name: the canonical name; empty if the metadata cannot be read.
        version: the version.
    """

    def __init__(self, distribution: metadata.Distribution) -> None:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
        headers = HeaderParser().parsestr(text.partition("\n\n")[0])
        self._distribution = distribution
        self.name = canonicalize_name(headers.get("Name", ""))
        self.version = str(headers.get("Version", ""))

    @cached_property
    def requires(self) -> tuple[Requirement, ...]:
        """The requirements, with the markers that say when they apply."""
        return tuple(Requirement(text) for text in self._distribution.requires or ())


@cache
def installed() -> Mapping[str, Installed]:
    """Return the installed distributions by canonical name."""
    found: dict[str, Installed] = {}
    for distribution in map(Installed, metadata.distributions()):
        if distribution.name:
            found.setdefault(distribution.name, distribution)
    return found


def parse(text: str) -> Requirement:
    """Parse an entry of PACKAGES: ``pandas``, ``pandas==2.3.3``, ``cloudpickle>=3``.

    Raises:
        ProgrammingError: the text is not a valid requirement.
    """
    try:
        return parse_package(text)
    except InvalidRequirement as error:
        raise errors.error(
            391546, "42601", f"SQL compilation error:\nInvalid package specification '{text}'"
        ) from error


def check(packages: Iterable[str]) -> None:
    """Check that every declared package is installed in a matching version.

    Raises:
        ProgrammingError: a package is missing; the message says what to install.
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
                f"'{text}' is declared, but {name} {distribution.version} is installed: pip install '{pip}'",
            )


def closure(packages: Iterable[str]) -> set[str]:
    """Return the distributions of the packages and of all their direct and indirect requirements."""
    found: set[str] = set()
    queue = [(distribution_name(parse(text).name), frozenset(parse(text).extras)) for text in packages]
    while queue:
        name, extras = queue.pop()
        distribution = installed().get(name)
        if distribution is None or (name in found and not extras):
            continue
        found.add(name)
        for requirement in distribution.requires:
            environments = [{"extra": extra} for extra in extras] or [{"extra": ""}]
            if requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments):
                queue.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


@cache
def _modules() -> Mapping[str, tuple[str, ...]]:
    """Map each top-level module to the distributions that provide it."""
    return {
        module: tuple(canonicalize_name(name) for name in names)
        for module, names in metadata.packages_distributions().items()
    }


def blocked_modules(packages: Iterable[str]) -> dict[str, str]:
    """Map each installed top-level module that the packages do not provide to the package to declare."""
    allowed = closure(packages)
    return {
        module: channel_name(names[0])
        for module, names in _modules().items()
        if not allowed.intersection(names) and module not in sys.stdlib_module_names
    }
