"""Names in Snowflake's channel, which is conda's, and the distributions of PyPI that they are."""

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
    """The distribution that a package of the channel is."""
    name = canonicalize_name(channel_name)
    return CHANNEL_NAMES.get(name, name)


def channel_name(distribution: str) -> str:
    """The channel's name of a distribution."""
    name = canonicalize_name(distribution)
    return _FROM_DISTRIBUTION.get(name, name)


def parse_package(text: str) -> Requirement:
    """A package as PACKAGES lists it: ``pandas``, ``pandas==2.3.3``, ``cloudpickle>=3``, ``numpy=1.26``.

    Raises:
        packaging.requirements.InvalidRequirement: it is no requirement.
    """
    # Snowflake also takes conda's single '='.
    return Requirement(re.sub(r"^([A-Za-z0-9._-]+)=([^=].*)$", r"\1==\2", text.strip()))
