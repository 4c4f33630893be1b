"""The imports of a handler, and those that nothing provides."""

from __future__ import annotations

from snowpipe_ml.packages.modules import channel_package, imported, unprovided

SOURCE = """
import os, numpy as np
from sklearn.linear_model import Ridge
from . import beside

def handler(x):
    import acme.core.deep
    from acme.top import thing
    from _snowflake import vectorized
"""


def test_imports_are_found_wherever_they_stand() -> None:
    found = [(item.module, item.line) for item in imported(SOURCE, "handler.py")]
    assert ("numpy", 2) in found
    assert ("acme.core.deep", 7) in found
    assert ("sklearn.linear_model.Ridge", 3) in found
    assert not any("beside" in module for module, _ in found)


def test_what_nothing_provides() -> None:
    missing = unprovided(imported(SOURCE, "h.py"), packages=["numpy", "scikit-learn"], modules=["acme.core"])
    assert [(item.module, item.line) for item in missing] == [("acme.top.thing", 8)]
    assert (
        unprovided(
            imported(SOURCE, "h.py"), packages=["numpy", "scikit-learn"], modules=["acme.core", "acme.top"]
        )
        == []
    )


def test_the_package_that_brings_a_module() -> None:
    assert [
        channel_package(m) for m in ("sklearn.svm", "torch", "my_pkg", "snowflake.snowpark.functions")
    ] == [
        "scikit-learn",
        "pytorch",
        "my-pkg",
        "snowflake-snowpark-python",
    ]
