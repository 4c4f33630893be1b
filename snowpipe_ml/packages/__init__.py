"""The Python packages of functions: taken from Snowflake's Anaconda channel, or staged as wheels.

- ``resolve`` resolves requirements and their dependencies (the closure) with uv, for Snowflake's platform.
- ``decide`` splits the closure into packages of the channel and wheels to stage.
- ``lock`` saves the result in a lock file beside the spec, and checks it against the spec offline.
- ``wheels`` fetches and inspects wheel files.
- ``modules`` finds the modules that a handler imports.
"""

from __future__ import annotations

from pathlib import Path


def lock_path(spec: Path) -> Path:
    """The lock file of a spec: ``pipeline.lock.yaml`` beside ``pipeline.yaml``."""
    return spec.with_name(f"{spec.stem}.lock.yaml")
