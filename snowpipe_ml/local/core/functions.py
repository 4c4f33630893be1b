"""The functions and macros of ours in an instance of DuckDB, which statements and views call."""

from __future__ import annotations

import duckdb

from snowpipe_ml.local.core import calls, natives
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.macros import attach_macros
from snowpipe_ml.local.core.variants import FUNCTIONS


def register_functions(duck: Duck) -> None:
    """Register them with a new instance."""
    natives.register(duck)
    calls.register(duck)
    for name, function in FUNCTIONS.items():
        text = duckdb.sqltype("VARCHAR")
        duck.create_function(name, function, [text], text, pure=True)
    attach_macros(duck)
