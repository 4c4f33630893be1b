"""The file of constraints with which the development environment is installed."""

from __future__ import annotations

import configparser
import re
from collections import defaultdict

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PYTHONS = ("3.11", "3.12", "3.13")


def required() -> list[Requirement]:
    """The requirements of the package, and of the extras that ``make install`` names."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    found = re.search(r"^EXTRAS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found is not None
    texts = [
        config["options"]["install_requires"],
        *(config["options.extras_require"][extra] for extra in found[1].split(",")),
    ]
    return [Requirement(line) for text in texts for line in text.splitlines() if line]


@pytest.mark.parametrize("python", PYTHONS)
def test_each_requirement_is_pinned_to_a_version_that_satisfies_it(python: str) -> None:
    environment = {**default_environment(), "python_version": python, "python_full_version": f"{python}.0"}
    pins: dict[str, list[str]] = defaultdict(list)
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate({key: str(value) for key, value in environment.items()}):
            pins[canonicalize_name(pin.name)].append(str(pin.specifier).removeprefix("=="))
    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}
    wrong = [
        str(requirement)
        for requirement in required()
        if not any(requirement.specifier.contains(v) for v in pins[canonicalize_name(requirement.name)])
    ]
    assert wrong == [], "run 'make lock'"
