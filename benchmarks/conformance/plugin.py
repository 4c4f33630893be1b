"""A pytest plugin that points the public Snowpark integration suite at the embedded warehouse.

Loaded with ``-p plugin`` in the suite's checkout by ``run.py``, which reads what it prints. The
suite asks for an account in two places: a file of connection parameters, which stands in the way of
every import and is made here, and ``snowflake.connector.connect``.
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
    """What the suite takes for an account. Each process has a warehouse of its own."""
    return connect(_WAREHOUSE.name, **{"database": "TESTDB", "schema": None, **parameters})


def _first_warehouse() -> None:
    """The warehouse and the tables that an account of the suite has."""
    with connect(_WAREHOUSE.name, "TESTDB", "TESTSCHEMA") as connection:
        connection.cursor().execute("CREATE OR ALTER WAREHOUSE TESTWH")


parameters = types.ModuleType("tests.parameters")
parameters.CONNECTION_PARAMETERS = _PARAMETERS  # type: ignore[attr-defined]
sys.modules["tests.parameters"] = parameters
# The suite loads this file as a plugin of pytest for its fixtures; it needs one more client library.
sys.modules["tests.integ.test_catalog"] = types.ModuleType("tests.integ.test_catalog")
snowflake.connector.connect = _connect
server_connection.connect = _connect
_first_warehouse()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End a test that hangs."""

    def expired(*_: object) -> None:
        raise TimeoutError(f"the test ran longer than {SECONDS_A_TEST} s")

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(SECONDS_A_TEST)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Write a line a test: passed, skipped, refused by name, or failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
        text = str(report.longrepr or "")
        refused = report.failed and "the embedded warehouse does not support" in text
        result = "refused" if refused else report.outcome
        why = str(call.excinfo.value) if call.excinfo is not None else ""
        with open(os.environ["CONFORMANCE_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps({"test": item.nodeid, "result": result, "why": why[:2000]}) + "\n")
