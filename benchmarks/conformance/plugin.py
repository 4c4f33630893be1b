"""A pytest plugin that runs the public Snowpark integration suite on the embedded warehouse.

``run.py`` loads it with ``-p plugin`` in a checkout of the suite, and reads the results that it writes. The
suite needs an account in two places, and both are replaced here: a module of connection parameters, without
which no test can be imported, and ``snowflake.connector.connect``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import types
from collections.abc import Iterator
from typing import Any

import pytest
import snowflake.connector
import snowflake.snowpark._internal.server_connection as server_connection

from snowpipe_ml.local import connect

SECONDS_A_TEST = 120
_WAREHOUSE = tempfile.TemporaryDirectory(prefix="conformance-")
_PARAMETERS = {
    "account": "LOCAL",
    "user": "LOCAL",
    "password": "none",
    "role": "SYSADMIN",
    "warehouse": "TESTWH",
    "database": "TESTDB",
    "schema": "TESTSCHEMA",
}


def _connect(**parameters: Any) -> Any:
    """Connect to the embedded warehouse instead of an account. Each process has its own warehouse."""
    return connect(_WAREHOUSE.name, **{"database": "TESTDB", "schema": None, **parameters})


def _first_warehouse() -> None:
    """Create the database, schema and virtual warehouse that the suite expects in an account."""
    with connect(_WAREHOUSE.name, "TESTDB", "TESTSCHEMA") as connection:
        connection.cursor().execute("CREATE OR ALTER WAREHOUSE TESTWH")


parameters = types.ModuleType("tests.parameters")
parameters.CONNECTION_PARAMETERS = _PARAMETERS
sys.modules["tests.parameters"] = parameters
# The suite loads this module as a pytest plugin for its fixtures, but it needs another client library.
sys.modules["tests.integ.test_catalog"] = types.ModuleType("tests.integ.test_catalog")
snowflake.connector.connect = _connect
server_connection.connect = _connect
_first_warehouse()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Abort a test that hangs."""

    def expired(*_: object) -> None:
        raise TimeoutError(f"the test ran longer than {SECONDS_A_TEST} s")

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(SECONDS_A_TEST)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Write one line per test: passed, skipped, refused as unsupported, or failed."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
        text = str(report.longrepr or "")
        refused = report.failed and "the embedded warehouse does not support" in text
        result = "refused" if refused else report.outcome
        why = str(call.excinfo.value) if call.excinfo is not None else ""
        with open(os.environ["CONFORMANCE_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps({"test": item.nodeid, "result": result, "why": why[:2000]}) + "\n")
