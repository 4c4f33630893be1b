"""COPY INTO a stage writes delimited files that COPY INTO a table reads again.

https://docs.snowflake.com/en/sql-reference/sql/copy-into-location
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_ROW = "SELECT 1 AS n, 'a,b' AS v UNION ALL SELECT 2, 'q\"x\\\\y' UNION ALL SELECT 3, NULL UNION ALL SELECT 4, 'l\\nm'"


def _unloaded(session: Any, query: Any, folder: Path, options: str, header: str = "") -> bytes:
    query("CREATE OR REPLACE STAGE out")
    query(
        f"COPY INTO @out/x.csv FROM (SELECT * FROM ({_ROW}) ORDER BY n) "
        f"FILE_FORMAT = (TYPE = CSV COMPRESSION = NONE {options}) SINGLE = TRUE {header}"
    )
    session.file.get("@out/x.csv", str(folder))
    return (folder / "x.csv").read_bytes()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", b'1,a\\,b\n2,q"x\\\\y\n3,\\N\n4,l\\\nm\n'),
        ("FIELD_OPTIONALLY_ENCLOSED_BY = NONE ESCAPE = '^'", b'1,a^,b\n2,q"x\\y\n3,\\N\n4,l^\nm\n'),
        ("ESCAPE_UNENCLOSED_FIELD = NONE FIELD_DELIMITER = '|'", b'1|a,b\n2|q"x\\y\n3|\\N\n4|l\nm\n'),
        ("FIELD_DELIMITER = '0x09' NULL_IF = ('')", b'1\ta,b\n2\tq"x\\\\y\n3\t\n4\tl\\\nm\n'),
        ("FIELD_OPTIONALLY_ENCLOSED_BY = '\"'", b'"1","a,b"\n"2","q""x\\y"\n"3",\\N\n"4","l\nm"\n'),
        (
            "FIELD_OPTIONALLY_ENCLOSED_BY = '\"' ESCAPE = '\\\\'",
            b'"1","a,b"\n"2","q\\"x\\\\y"\n"3",\\N\n"4","l\nm"\n',
        ),
        ("RECORD_DELIMITER = '\\r\\n'", b'1,a\\,b\r\n2,q"x\\\\y\r\n3,\\N\r\n4,l\\\nm\r\n'),
        ("FIELD_DELIMITER = '||'", b'1||a,b\n2||q"x\\\\y\n3||\\N\n4||l\\\nm\n'),
    ],
)
def test_fields(session: Any, query: Any, tmp_path: Path, options: str, expected: bytes) -> None:
    assert _unloaded(session, query, tmp_path, options) == expected


def test_header(session: Any, query: Any, tmp_path: Path) -> None:
    data = _unloaded(session, query, tmp_path, "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'", "HEADER = TRUE")
    assert data.startswith(b'"N","V"\n"1","a,b"\n')


def test_compressed(session: Any, query: Any, tmp_path: Path) -> None:
    query("CREATE STAGE out")
    found = query(f"COPY INTO @out/x FROM ({_ROW}) HEADER = TRUE")
    assert found[0][0] == 4
    session.file.get("@out/x_0_0_0.csv.gz", str(tmp_path))
    assert gzip.decompress((tmp_path / "x_0_0_0.csv.gz").read_bytes()).startswith(b"N,V\n")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.sampled_from('a,|"\\\n^;'), min_size=1, max_size=8), min_size=1, max_size=6),
    st.sampled_from(
        (
            "",
            "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'",
            "FIELD_OPTIONALLY_ENCLOSED_BY = '\"' ESCAPE = '^'",
            "ESCAPE_UNENCLOSED_FIELD = '^'",
        )
    ),
)
def test_what_is_unloaded_can_be_loaded(session: Any, query: Any, texts: list[str], options: str) -> None:
    query("CREATE OR REPLACE TABLE t (v VARCHAR, n INT)")
    session.connection.cursor().executemany(
        "INSERT INTO t (v, n) VALUES (?, ?)", [(text, i) for i, text in enumerate(texts)]
    )
    query("CREATE OR REPLACE STAGE out")
    query("CREATE OR REPLACE TABLE back (v VARCHAR, n INT)")
    query(f"COPY INTO @out/x FROM t FILE_FORMAT = (TYPE = CSV {options})")
    query(f"COPY INTO back FROM @out FILE_FORMAT = (TYPE = CSV {options})")
    assert query("SELECT v FROM back ORDER BY n") == [(text,) for text in texts]
