"""INSERT of many constants, which are not parsed to a tree, stores what INSERT of single rows stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml.local.syntax.literal_rows import literal_rows

Query = Callable[..., list[Any]]

_TEXTS = ["'it''s'", r"'a\\b'", r"'x\'y'", r"'a\nb\u0041'", "''", "NULL"]
_STORED = [
    ("NUMBER", ["1", "-2", "007", "2.5", "-0.5", "NULL"]),
    ("NUMBER", ["'1'", "' 2.5 '", "NULL"]),
    ("NUMBER(10, 2)", ["1.005", "2", "-3.14159"]),
    ("FLOAT", ["0.1", "3", "'1e3'", "NULL"]),
    ("VARCHAR", _TEXTS),
    ("VARCHAR", ["1", "007", "-5"]),
    ("VARCHAR", ["1.50", "2", "NULL"]),
    ("BOOLEAN", ["TRUE", "false", "NULL"]),
    ("BOOLEAN", ["'yes'", "'f'"]),
    ("DATE", ["'2024-02-29'", "'17-DEC-1980'", "NULL"]),
    ("TIME", ["'10:30'", "'23:59:59.5'"]),
    ("TIME(0)", ["'23:59:59.7'"]),
    ("TIMESTAMP_NTZ", ["'2024-01-01'", "'2024-01-01 10:30:00.123'"]),
    ("TIMESTAMP_NTZ(0)", ["'2024-01-01 10:30:00.723'"]),
    ("TIMESTAMP_TZ", ["'2024-01-01 10:30:00 +0130'", "'2024-01-01'"]),
    ("BINARY", ["'0A'", "'ff'"]),
    ("VARIANT", ["NULL"]),
]


@pytest.mark.parametrize(("type_", "constants"), _STORED)
def test_many_constants_are_stored_as_single_ones_are(query: Query, type_: str, constants: list[str]) -> None:
    query(f"CREATE TABLE many (n INT, v {type_})")
    query(f"CREATE TABLE single (n INT, v {type_})")
    count = max(12, len(constants))
    rows = [f"({n}, {constants[n % len(constants)]})" for n in range(count)]
    query(f"INSERT INTO many VALUES\n{(',' + ' ' * 50).join(rows)};")
    for row in rows[: len(constants)]:
        query(f"INSERT INTO single VALUES {row}")
    stored = query(f"SELECT v, TO_VARCHAR(v) FROM many WHERE n < {len(constants)} ORDER BY n")
    assert stored == query("SELECT v, TO_VARCHAR(v) FROM single ORDER BY n")
    assert query("SELECT COUNT(*) FROM many") == [(count,)]


@pytest.mark.parametrize(
    ("type_", "constant"),
    [
        ("INT", "'x'"),
        ("DATE", "'x'"),
        ("VARCHAR(2)", "'long'"),
        ("NUMBER(2)", "100"),
        ("NUMBER", "99999999999999999999"),
    ],
)
def test_many_constants_are_refused_as_single_ones_are(query: Query, type_: str, constant: str) -> None:
    query(f"CREATE TABLE refusing (v {type_})")
    with pytest.raises(SnowparkSQLException) as of_one:
        query(f"INSERT INTO refusing VALUES ({constant})")
    with pytest.raises(SnowparkSQLException) as of_many:
        query(f"INSERT INTO refusing VALUES {(',' + ' ' * 50).join([f'({constant})'] * 12)}")
    assert of_many.value.raw_message == of_one.value.raw_message
    assert of_many.value.sql_error_code == of_one.value.sql_error_code


def test_columns_are_named_and_rows_replaced(query: Query) -> None:
    query("""CREATE TABLE named ("a b" INT, c VARCHAR, d DATE DEFAULT '2024-01-01')""")
    rows = (",\n" + " " * 50).join(f"('{n}', {n})" for n in range(12))
    for verb in ("INTO", "OVERWRITE INTO"):
        assert query(f"""INSERT {verb} named (C, "a b") VALUES {rows}""") == [(12,)]
    assert query("""SELECT COUNT(*), SUM("a b"), MAX(c), MIN(d)::VARCHAR FROM named""") == [
        (12, 66, "9", "2024-01-01")
    ]


_PADDING = " " * 500


@pytest.mark.parametrize(
    "rows",
    [
        "(1), (1 + 1)",
        "(1), ('a')",
        "(1), (1, 2)",
        "(1), (DEFAULT)",
        "(1), (1e3)",
        "(1) /* two */, (2)",
        "(?), (?)",
        "(1), (2) SELECT",
        "(1), 2",
    ],
)
def test_other_rows_are_parsed(rows: str) -> None:
    assert literal_rows(f"INSERT INTO t VALUES {_PADDING}{rows}") is None


def test_constants_are_read() -> None:
    found = literal_rows(
        f"insert into DB.\"my s\".t (a, \"b\") values {_PADDING}(1, 'x;''y'), (-2.5, null) ; "
    )
    assert found is not None
    head, columns = found
    assert head == 'insert into DB."my s".t (a, "b") values'
    assert [(column.kind, column.values) for column in columns] == [
        ("NUMBER", ["1", "-2.5"]),
        ("TEXT", ["x;'y", None]),
    ]
