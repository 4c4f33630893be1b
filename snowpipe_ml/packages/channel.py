"""Mapping of package names in Snowflake's Anaconda channel to distribution names on PyPI, and back."""

from __future__ import annotations

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Channel name -> distribution, where they differ.
CHANNEL_NAMES = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "opencv": "opencv-python-headless",
    "msgpack-python": "msgpack",
}
_FROM_DISTRIBUTION = {"torch": "pytorch", "msgpack": "msgpack-python", "opencv-python-headless": "opencv"}


def distribution_name(channel_name: str) -> str:
    """Return the PyPI name of a package of the channel."""
    name = canonicalize_name(channel_name)
    return CHANNEL_NAMES.get(name, name)


def channel_name(distribution: str) -> str:
    """Return the channel's name of a PyPI distribution."""
    name = canonicalize_name(distribution)
    return _FROM_DISTRIBUTION.get(name, name)


def parse_package(text: str) -> Requirement:
    """Parse an entry of PACKAGES: ``pandas``, ``pandas==2.3.3``, ``cloudpickle>=3``, ``numpy=1.26``.

    Raises:
        packaging.requirements.InvalidRequirement: the text is not a requirement.
    """
    # Snowflake also accepts conda's single '='.
    return Requirement(re.sub(r"^([A-Za-z0-9._-]+)=([^=].*)$", r"\1==\2", text.strip()))
