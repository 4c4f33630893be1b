"""Print the size of each extra on disk: all packages that it brings, and those that the base does not.

    python benchmarks/extras.py

The packages are those of the environment that runs the script; what is not installed there is listed.
"""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAME = "snowpipe-ml"


def closure(name: str, extras: frozenset[str], found: dict[str, Distribution | None]) -> None:
    """Add a package, and what it requires with these extras, to ``found``; None if it is not installed."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        found[name] = None
        return
    found[name] = package
    for line in package.requires or ():
        required = Requirement(line)
        marker = required.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            key = canonicalize_name(required.name)
            if key not in found:
                closure(key, frozenset(required.extras), found)


def packages(extra: str = "") -> dict[str, Distribution | None]:
    """Return the packages that the project requires with one extra, by name."""
    found: dict[str, Distribution | None] = {}
    closure(NAME, frozenset({extra}), found)
    del found[NAME]
    return found


def megabytes(found: dict[str, Distribution | None]) -> float:
    """Return the size of the files of some packages, in MB."""
    files = (file for package in found.values() if package for file in package.files or ())
    return sum(file.size or 0 for file in files) / 1e6


def main() -> None:
    """Print a table."""
    base = packages()
    print("| extra | packages | MB | not installed here |\n| --- | ---: | ---: | --- |")
    print(f"| (none) | {len(base)} | {megabytes(base):,.0f} | |")
    for extra in distribution(NAME).metadata.get_all("Provides-Extra") or ():
        more = {name: package for name, package in packages(extra).items() if name not in base}
        absent = ", ".join(sorted(name for name, package in more.items() if package is None))
        print(f"| {extra} | {len(more)} | {megabytes(more):,.0f} | {absent[:70]} |")


if __name__ == "__main__":
    main()
