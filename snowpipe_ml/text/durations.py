"""Durations as a person reads them."""

from __future__ import annotations


def seconds_text(seconds: float) -> str:
    """Format a duration: ``0.4 s``, ``12 s``, ``3 m 05 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} m {int(seconds) % 60:02d} s"
