"""Snowflake functions that a single DuckDB expression can compute, as macros named ``sf_...``.

They are created in DuckDB's in-memory database, so calls use the qualified name ``memory.main.sf_...``. A
file ``<family>.sql`` has the macros of a family of functions; a macro may call those of the files before it.
"""

from __future__ import annotations

from importlib.resources import files

_SETTINGS = """
SET GLOBAL ieee_floating_point_ops = false;
-- sqlglot generates lambdas with an arrow.
SET GLOBAL lambda_syntax = 'ENABLE_SINGLE_ARROW';
"""
_FAMILIES = (
    "common",
    "numbers",
    "bitwise",
    "generation",
    "dates",
    "strings",
    "regular_expressions",
    "variants",
    "arrays",
    "aggregates",
)


def macros() -> str:
    """Return the script that creates the macros."""
    folder = files(__name__)
    return _SETTINGS + "".join((folder / f"{family}.sql").read_text("utf-8") for family in _FAMILIES)
