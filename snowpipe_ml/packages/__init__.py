"""Python packages of functions: what the channel has, what is staged as wheels, and why.

``resolve`` asks uv for the closure of requirements on Snowflake's platform, ``decide`` sorts it into
packages of the channel and wheels, ``lock`` keeps the answer in a file beside the spec and checks it
against the spec without a network, ``wheels`` fetches and inspects the files, ``modules`` tells what
a handler imports.
"""

from __future__ import annotations

from pathlib import Path


def lock_path(spec: Path) -> Path:
    """The lock file of a spec: ``pipeline.lock.yaml`` beside ``pipeline.yaml``."""
    return spec.with_name(f"{spec.stem}.lock.yaml")
