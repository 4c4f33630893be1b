"""A Python function sees nothing of the process that runs the warehouse."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

HEAD = "LANGUAGE PYTHON RUNTIME_VERSION = '3.11'"
PRIVATE = {
    "SNOWFLAKE_PASSWORD": "private-1",
    "AWS_SECRET_ACCESS_KEY": "private-2",
    "HTTPS_PROXY": "http://me:private-3@proxy:8080",
    "DATABASE_URL": "private-4",
    "EDITOR": "private-5",
    "USER": "private-6",
    "HOME": "/private-7",
    "LC_PRIVATE": "private-9",
    "PYTHON_PRIVATE": "private-10",
}
LOOK = """
import json
import os

def look(*_):
    found = dict(os.environ)
    try:
        with open("/proc/self/environ") as file:
            found["as the process began"] = file.read()
    except OSError:
        pass
    return json.dumps(found)
"""


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRIVATE.items():
        monkeypatch.setenv(name, value)


def function(query: Any, body: str, packages: str = "()") -> Any:
    query(
        f"CREATE FUNCTION look_at_it(n INT) RETURNS VARCHAR {HEAD} PACKAGES = {packages} HANDLER = 'look' "
        f"AS $$\n{body}\n$$"
    )
    return query("SELECT look_at_it(1)")[0][0]


def test_a_function_sees_no_variable_of_the_process(private: None, query: Any) -> None:
    seen = function(query, LOOK)
    assert "private-" not in seen
    # Settings of numeric libraries are passed on, so that they compute the same in both processes.
    settings = ("ATEN_", "KMP_", "MKL_", "NUMEXPR_", "OMP_", "OPENBLAS_")
    shared = {name for name in set(json.loads(seen)) & set(os.environ) if not name.startswith(settings)}
    assert shared <= {
        # The function has its own values, whatever the process has under the same names.
        "HOME",
        "TMPDIR",
        "PATH",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "PYTHONHASHSEED",
    }


def test_a_procedure_sees_no_variable_of_the_process(private: None, query: Any) -> None:
    query(
        f"CREATE PROCEDURE look_at_it() RETURNS VARCHAR {HEAD} PACKAGES = ('snowflake-snowpark-python') "
        f"HANDLER = 'look' AS $$\n{LOOK}\n$$"
    )
    assert "private-" not in query("CALL look_at_it()")[0][0]


def test_a_variable_that_is_set_while_the_warehouse_is_open_is_not_seen_either(
    query: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "SET_LATER" not in function(query, LOOK)
    monkeypatch.setenv("SET_LATER", "private-11")
    query(
        f"CREATE FUNCTION look_again(n INT) RETURNS VARCHAR {HEAD} PACKAGES = () HANDLER = 'look' AS $$\n{LOOK}\n$$"
    )
    assert "private-" not in query("SELECT look_again(1)")[0][0]


def test_what_a_function_sets_is_seen_by_no_other(query: Any) -> None:
    function(query, "import os\ndef look(n):\n    os.environ['LEFT'] = 'behind'\n    return ''")
    query(
        f"CREATE FUNCTION look_again(n INT) RETURNS VARCHAR {HEAD} PACKAGES = () HANDLER = 'look' AS $$\n{LOOK}\n$$"
    )
    assert "LEFT" not in json.loads(query("SELECT look_again(1)")[0][0])
    assert "LEFT" not in os.environ


def test_packages_find_what_they_need_without_it(private: None, query: Any) -> None:
    body = (
        "import tempfile, pathlib, os\nimport pandas\n"
        "def look(n):\n"
        "    with tempfile.NamedTemporaryFile() as file:\n"
        "        pathlib.Path(file.name).write_text('x')\n"
        "    folder = pathlib.Path.home()\n"
        "    (folder / 'kept').write_text('x')\n"
        "    return str(pandas.Series([1, 2]).sum())"
    )
    assert function(query, body, "('pandas')") == "3"


CLOCK = "import time\ndef look(n):\n    return time.strftime('%z', time.localtime(0))"


def test_the_clock_of_a_function_is_not_set_by_the_machine(
    query: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert function(query, CLOCK) != "+0900"


def test_a_function_has_the_time_zone_of_the_session_that_calls_it(query: Any) -> None:
    # https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-designing
    assert function(query, CLOCK) == "-0800"  # America/Los_Angeles, unless the session sets another time zone
    query("ALTER SESSION SET TIMEZONE = 'Asia/Tokyo'")
    assert query("SELECT look_at_it(1)") == [("+0900",)]
