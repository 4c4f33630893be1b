"""The limits of a handler, and the result of a query whose worker does not return."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local import connect


@pytest.fixture
def cursor(tmp_path: Path) -> Iterator[Any]:
    with connect(tmp_path / "warehouse", "D", function_memory=2 * 2**30) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE STAGE s")
        yield cursor


def create(cursor: Any, body: str, *, packages: str = "", imports: str = "", name: str = "f") -> None:
    cursor.execute(
        f"CREATE OR REPLACE FUNCTION {name}(x INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        f"PACKAGES = ({packages}) IMPORTS = ({imports}) HANDLER = 'h' AS $$\n{body}\n$$"
    )


def test_an_undeclared_package_is_not_there(cursor: Any) -> None:
    create(cursor, "def h(x):\n    import pandas\n    return x")
    with pytest.raises(
        ProgrammingError, match=r"No module named 'pandas' \(declare the package 'pandas' for this function"
    ) as raised:
        cursor.execute("SELECT f(1)")
    assert raised.value.errno == 100357
    create(cursor, "def h(x):\n    import pandas\n    return x + 1", packages="'pandas'")
    assert cursor.execute("SELECT f(1)").fetchone() == (2,)


def test_a_missing_package_is_an_error_at_create(cursor: Any) -> None:
    with pytest.raises(
        ProgrammingError,
        match=r"'no-such-package==1.0' is not installed .*: pip install 'no-such-package==1.0'",
    ):
        create(cursor, "def h(x):\n    return x", packages="'no-such-package==1.0'")
    with pytest.raises(
        ProgrammingError,
        match=r"'pandas==0.1' is declared, but pandas .* is installed: pip install 'pandas==0.1'",
    ):
        create(cursor, "def h(x):\n    return x", packages="'pandas==0.1'")


def archive(path: Path, members: dict[str, bytes], link: str | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members.items():
            out.writestr(name, data)
        if link is not None:
            info = zipfile.ZipInfo(link)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            out.writestr(info, "/etc/passwd")
    return path


@pytest.mark.parametrize(
    ("members", "link", "message"),
    [
        ({"../evil.py": b""}, None, r"has a member that leaves its folder: '\.\./evil\.py'"),
        ({"/evil.py": b""}, None, "leaves its folder"),
        ({"a/../../evil.py": b""}, None, "leaves its folder"),
        ({"fine.py": b""}, "link.py", "has a link: 'link.py'"),
        ({"bomb": bytes(2**27)}, None, "would unpack to 128 MiB"),
    ],
)
def test_an_archive_that_would_do_harm_is_refused(
    cursor: Any, tmp_path: Path, members: dict[str, bytes], link: str | None, message: str
) -> None:
    cursor.execute(f"PUT file://{archive(tmp_path / 'lib.zip', members, link)} @s AUTO_COMPRESS = FALSE")
    with pytest.raises(ProgrammingError, match=message):
        create(cursor, "def h(x):\n    return x", imports="'@s/lib.zip'")


def test_staged_modules_and_archives_are_imported(cursor: Any, tmp_path: Path) -> None:
    cursor.execute(
        f"PUT file://{archive(tmp_path / 'lib.zip', {'deep/__init__.py': b'', 'deep/mod.py': b'N = 40'})} @s AUTO_COMPRESS = FALSE"
    )
    (tmp_path / "plain.py").write_text("def add(x):\n    return x + 2\n")
    cursor.execute(f"PUT file://{tmp_path}/plain.py @s AUTO_COMPRESS = FALSE")
    body = (
        "import sys, os, plain\nfrom deep.mod import N\ndef h(x):\n"
        "    assert 'lib.zip' in os.listdir(sys._xoptions['snowflake_import_directory'])\n    return plain.add(x) + N"
    )
    create(cursor, body, imports="'@s/lib.zip', '@s/plain.py'")
    assert cursor.execute("SELECT f(0)").fetchone() == (42,)
    cursor.execute(
        "CREATE FUNCTION g(x INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' IMPORTS = ('@s/plain.py') HANDLER = 'plain.add'"
    )
    assert cursor.execute("SELECT g(1)").fetchone() == (3,)


def test_a_worker_that_dies_fails_its_query_and_is_replaced(cursor: Any) -> None:
    create(
        cursor,
        "import os, signal\ndef h(x):\n    if x == 1:\n        os.kill(os.getpid(), signal.SIGKILL)\n    return x",
    )
    with pytest.raises(ProgrammingError, match="the worker process was killed by signal 9"):
        cursor.execute("SELECT f(1)")
    assert cursor.execute("SELECT f(2)").fetchone() == (2,)


def test_a_handler_that_raises_shows_its_traceback(cursor: Any) -> None:
    create(cursor, "def helper(x):\n    raise ValueError(f'bad {x}')\n\ndef h(x):\n    return helper(x)")
    with pytest.raises(ProgrammingError) as raised:
        cursor.execute("SELECT f(7)")
    text = str(raised.value)
    assert "Python Interpreter Error" in text
    assert 'File "_udf_code.py", line 6, in h' in text
    assert "ValueError: bad 7 in function F with handler h" in text


def test_a_table_function_names_the_partition(cursor: Any) -> None:
    cursor.execute(
        "CREATE FUNCTION t(x INT) RETURNS TABLE (y INT) LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'H' AS $$\n"
        "class H:\n    def process(self, x):\n        yield (1 // x,)\n$$"
    )
    with pytest.raises(ProgrammingError, match=r"ZeroDivisionError: .* \(partition 1\)"):
        cursor.execute(
            "SELECT * FROM (SELECT 1 AS k UNION ALL SELECT 0) a, TABLE(t(a.k) OVER (PARTITION BY 1 - a.k)) ORDER BY 1"
        )


def test_a_statement_that_takes_too_long_is_cancelled(cursor: Any) -> None:
    create(cursor, "import time\ndef h(x):\n    time.sleep(60)\n    return x")
    cursor.execute("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 1")
    with pytest.raises(
        ProgrammingError,
        match=r"reached its statement or warehouse timeout of 1 second\(s\) and was canceled",
    ) as raised:
        cursor.execute("SELECT f(1)")
    assert raised.value.errno == 630
    with pytest.raises(ProgrammingError, match="timeout of 1 second"):
        cursor.execute(
            "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 3000000)) a, TABLE(GENERATOR(ROWCOUNT => 3000000)) b"
        )
    assert cursor.execute("SELECT 1").fetchone() == (1,)


def test_a_handler_that_takes_too_much_memory(cursor: Any) -> None:
    create(cursor, "def h(x):\n    return len(bytearray(x * 2**30))")
    with pytest.raises(ProgrammingError, match="MemoryError"):
        cursor.execute("SELECT f(4)")
    assert cursor.execute("SELECT f(0)").fetchone() == (0,)


def test_an_aggregate_function(cursor: Any) -> None:
    cursor.execute(
        "CREATE AGGREGATE FUNCTION spread(x INT, y FLOAT) RETURNS FLOAT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'H' AS $$\n"
        "class H:\n    def __init__(self):\n        self.seen = []\n"
        "    @property\n    def aggregate_state(self):\n        return self.seen\n"
        "    def accumulate(self, x, y):\n        if x is not None:\n            self.seen.append(x * y)\n"
        "    def merge(self, other):\n        self.seen += other\n"
        "    def finish(self):\n        return max(self.seen) - min(self.seen) if self.seen else None\n$$"
    )
    cursor.execute(
        "CREATE TABLE t AS SELECT * FROM VALUES ('a', 1, 2.0), ('a', 5, 2.0), ('b', 3, 1.0), ('a', NULL, 1.0) v(k, x, y)"
    )
    assert cursor.execute("SELECT k, spread(x, y) FROM t GROUP BY k ORDER BY k").fetchall() == [
        ("a", 8.0),
        ("b", 0.0),
    ]
    assert cursor.execute("SELECT spread(x, y) FROM t WHERE k = 'none'").fetchone() == (None,)


def test_functions_have_defaults_names_and_overloads(cursor: Any) -> None:
    cursor.execute(
        "CREATE FUNCTION d(a INT, b INT DEFAULT 5) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' "
        "AS $$\ndef h(a, b):\n    return a * 10 + b\n$$"
    )
    for kind, value in (("INT", "x + 1"), ("VARCHAR", "x + '!'")):
        cursor.execute(
            f"CREATE FUNCTION o(x {kind}) RETURNS {kind} LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' "
            f"AS $$\ndef h(x):\n    return {value}\n$$"
        )
    assert cursor.execute("SELECT d(1), d(1, 2), d(b => 3, a => 4), o(1), o('a')").fetchone() == (
        15,
        12,
        43,
        2,
        "a!",
    )
    with pytest.raises(ProgrammingError, match="Invalid argument types for function 'O'"):
        cursor.execute("SELECT o(1, 2)")
    cursor.execute(
        "CREATE FUNCTION nine() RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' AS $$\ndef h():\n    return 9\n$$"
    )
    assert cursor.execute("SELECT nine() FROM VALUES (1), (2)").fetchall() == [(9,), (9,)]
    cursor.execute("CREATE FUNCTION twice(x INT) RETURNS INT AS 'x * 2'")
    assert cursor.execute("SELECT twice(a + 1) FROM VALUES (1), (2) v(a)").fetchall() == [(4,), (6,)]


def test_values_go_in_and_out_as_they_are(cursor: Any) -> None:
    cursor.execute(
        "CREATE FUNCTION kinds(n NUMBER(10,2), d DATE, t TIME, ts TIMESTAMP_NTZ, tz TIMESTAMP_TZ, b BINARY, v VARIANT, a ARRAY, o OBJECT) "
        "RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' AS $$\n"
        "def h(*args):\n    return '|'.join(repr(a) for a in args)\n$$"
    )
    text = cursor.execute(
        "SELECT kinds(1.5, '2024-01-02', '03:04:05', '2024-01-02 03:04:05', '2024-01-02 03:04:05 +02:00', TO_BINARY('6869'), "
        "'x'::VARIANT, ARRAY_CONSTRUCT('1', 2), OBJECT_CONSTRUCT('k', NULL, 'l', 1))"
    ).fetchone()[0]
    assert text == (
        "Decimal('1.50')|datetime.date(2024, 1, 2)|datetime.time(3, 4, 5)|datetime.datetime(2024, 1, 2, 3, 4, 5)|"
        "datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(seconds=7200)))|b'hi'|'x'|['1', 2]|{'l': 1}"
    )


def test_a_null_in_a_variant_is_not_sql_null(cursor: Any) -> None:
    cursor.execute(
        "CREATE FUNCTION same(v VARIANT) RETURNS VARIANT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' AS $$\n"
        "def h(v):\n    return 'SQL' if hasattr(v, 'is_sql_null') else v\n$$"
    )
    found = cursor.execute("SELECT same(NULL), same(PARSE_JSON('null')), same(1::VARIANT)").fetchone()
    assert found == ('"SQL"', "null", "1")


def test_snowflake_file_is_refused_by_name(cursor: Any) -> None:
    cursor.execute(
        "CREATE FUNCTION reads(p VARCHAR) RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        "PACKAGES = ('snowflake-snowpark-python') HANDLER = 'h' AS $$\n"
        "from snowflake.snowpark.files import SnowflakeFile\n"
        "def h(p):\n    with SnowflakeFile.open(p) as f:\n        return f.read()\n$$"
    )
    with pytest.raises(ProgrammingError, match="does not support SnowflakeFile"):
        cursor.execute("SELECT reads('@s/f')")
