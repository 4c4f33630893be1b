"""Each option of COPY and of file formats: it changes what a COPY does, or it is refused by name.

An option that is accepted without a case here fails :func:`test_every_accepted_option_has_a_case`; a case whose
option changes nothing fails too. https://docs.snowflake.com/en/sql-reference/sql/create-file-format
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from snowpipe_ml.local.files.formats.base import FORMATS
from snowpipe_ml.local.statements.copy_into_table import OPTIONS as COPY_OPTIONS
from tests.local.avro_files import avro_file

Rows = list[tuple[Any, ...]]


class Case(NamedTuple):
    """An option and its effect.

    Attributes:
        content: a file.
        columns: the columns of the table that loads it.
        option: the option as it is written.
        rows: the rows of the table with the option; a text for an error that has it.
        other: more options, also without this one.
    """

    content: str | bytes
    columns: str
    option: str
    rows: Rows | str
    other: str = ""


TWO = "x VARCHAR, y INT"
MATCH = "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"


def _parquet(**columns: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _orc(**columns: Any) -> bytes:
    out = io.BytesIO()
    orc.write_table(pa.table(columns), out)
    return out.getvalue()


CSV: dict[str, Case] = {
    "RECORD_DELIMITER": Case("a,1|b,2|", TWO, "RECORD_DELIMITER = '|'", [("a", 1), ("b", 2)]),
    "FIELD_DELIMITER": Case("a;1\n", TWO, "FIELD_DELIMITER = ';'", [("a", 1)]),
    "SKIP_HEADER": Case("x,y\na,1\n", TWO, "SKIP_HEADER = 1", [("a", 1)]),
    "PARSE_HEADER": Case("Y,X\n1,a\n", TWO, "PARSE_HEADER = TRUE", [("a", 1)], MATCH),
    "DATE_FORMAT": Case(
        "a,05.04.2013\n", "x VARCHAR, y DATE", "DATE_FORMAT = 'DD.MM.YYYY'", [("a", "2013-04-05")]
    ),
    "TIME_FORMAT": Case("a,10.30\n", "x VARCHAR, y TIME", "TIME_FORMAT = 'HH24.MI'", [("a", "10:30:00")]),
    "TIMESTAMP_FORMAT": Case(
        "a,05.04.2013 10\n",
        "x VARCHAR, y TIMESTAMP_NTZ",
        "TIMESTAMP_FORMAT = 'DD.MM.YYYY HH24'",
        [("a", "2013-04-05 10:00:00")],
    ),
    "BINARY_FORMAT": Case("a,aGk=\n", "x VARCHAR, y BINARY", "BINARY_FORMAT = BASE64", [("a", b"hi")]),
    "ESCAPE": Case(
        '"a\\"b",1\n', TWO, "ESCAPE = '\\\\'", [('a"b', 1)], "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'"
    ),
    "ESCAPE_UNENCLOSED_FIELD": Case(
        "a\\,b,1\n", "x VARCHAR, y VARCHAR, z INT", "ESCAPE_UNENCLOSED_FIELD = NONE", [("a\\", "b", 1)]
    ),
    "TRIM_SPACE": Case(" a , 1\n", TWO, "TRIM_SPACE = TRUE", [("a", 1)]),
    "FIELD_OPTIONALLY_ENCLOSED_BY": Case(
        '"a,b",1\n', TWO, "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'", [("a,b", 1)]
    ),
    "NULL_IF": Case("NULL,1\n", TWO, "NULL_IF = ('NULL')", [(None, 1)]),
    "COMPRESSION": Case(gzip.compress(b"a,1\n"), TWO, "COMPRESSION = NONE", "100144"),
    "ERROR_ON_COLUMN_COUNT_MISMATCH": Case(
        "a,1,z\nb\n", TWO, "ERROR_ON_COLUMN_COUNT_MISMATCH = FALSE", [("a", 1), ("b", None)]
    ),
    "SKIP_BLANK_LINES": Case("a,1\n\nb,2\n", TWO, "SKIP_BLANK_LINES = TRUE", [("a", 1), ("b", 2)]),
    "REPLACE_INVALID_CHARACTERS": Case(
        b"\xe9,1\n", TWO, "REPLACE_INVALID_CHARACTERS = TRUE", [("\ufffd", 1)]
    ),
    "EMPTY_FIELD_AS_NULL": Case(",1\n", TWO, "EMPTY_FIELD_AS_NULL = FALSE", [("", 1)]),
    "ENCODING": Case("é,1\n".encode("latin-1"), TWO, "ENCODING = 'ISO88591'", [("é", 1)]),
    "MULTI_LINE": Case(
        '"a\nb",1\n', TWO, "MULTI_LINE = FALSE", "100016", "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'"
    ),
}
ONE = "v VARIANT"
JSON: dict[str, Case] = {
    "COMPRESSION": Case(gzip.compress(b'{"a":1}'), ONE, "COMPRESSION = NONE", "100144"),
    "TRIM_SPACE": Case('{"x":" a ","y":1}', TWO, "TRIM_SPACE = TRUE", [("a", 1)], MATCH),
    "NULL_IF": Case('{"x":"none","y":1}', TWO, "NULL_IF = ('none')", [(None, 1)], MATCH),
    "ALLOW_DUPLICATE": Case('{"a":1,"a":2}', ONE, "ALLOW_DUPLICATE = TRUE", [('{"a":2}',)]),
    "STRIP_OUTER_ARRAY": Case(
        '[{"a":1},{"a":2}]', ONE, "STRIP_OUTER_ARRAY = TRUE", [('{"a":1}',), ('{"a":2}',)]
    ),
    "STRIP_NULL_VALUES": Case(
        '{"a":null,"b":{"x":null,"y":88}}', ONE, "STRIP_NULL_VALUES = TRUE", [('{"b":{"y":88}}',)]
    ),
    "IGNORE_UTF8_ERRORS": Case(b'{"a":"\xe9"}', ONE, "IGNORE_UTF8_ERRORS = TRUE", [('{"a":"\ufffd"}',)]),
    "REPLACE_INVALID_CHARACTERS": Case(
        b'{"a":"\xe9"}', ONE, "REPLACE_INVALID_CHARACTERS = TRUE", [('{"a":"\ufffd"}',)]
    ),
    "MULTI_LINE": Case('{"a":\n1}', ONE, "MULTI_LINE = FALSE", "100069"),
}
PARQUET: dict[str, Case] = {
    "TRIM_SPACE": Case(_parquet(x=[" a "], y=[1]), TWO, "TRIM_SPACE = TRUE", [("a", 1)], MATCH),
    "NULL_IF": Case(_parquet(x=["none"], y=[1]), TWO, "NULL_IF = ('none')", [(None, 1)], MATCH),
    "BINARY_AS_TEXT": Case(_parquet(a=[b"hi"]), ONE, "BINARY_AS_TEXT = FALSE", [('{"a":"6869"}',)]),
}
ORC: dict[str, Case] = {
    "TRIM_SPACE": Case(_orc(x=[" a "], y=[1]), TWO, "TRIM_SPACE = TRUE", [("a", 1)], MATCH),
    "NULL_IF": Case(_orc(x=["none"], y=[1]), TWO, "NULL_IF = ('none')", [(None, 1)], MATCH),
}
_AVRO = {
    "type": "record",
    "name": "r",
    "fields": [{"name": "x", "type": "string"}, {"name": "y", "type": "int"}],
}
AVRO: dict[str, Case] = {
    "TRIM_SPACE": Case(avro_file(_AVRO, [{"x": " a ", "y": 1}]), TWO, "TRIM_SPACE = TRUE", [("a", 1)], MATCH),
    "NULL_IF": Case(avro_file(_AVRO, [{"x": "none", "y": 1}]), TWO, "NULL_IF = ('none')", [(None, 1)], MATCH),
    "COMPRESSION": Case(
        avro_file(_AVRO, [{"x": "a", "y": 1}]), TWO, "COMPRESSION = GZIP", "it is not gzipped", MATCH
    ),
}
CASES = {"CSV": CSV, "JSON": JSON, "PARQUET": PARQUET, "ORC": ORC, "AVRO": AVRO}

# Options that act elsewhere, with the test that shows their effect.
ELSEWHERE = {
    "CSV": {"FILE_EXTENSION": "test_file_extension"},
    "JSON": {"FILE_EXTENSION": "test_file_extension"},
    "PARQUET": {"USE_LOGICAL_TYPE": "test_use_logical_type"},
    "ORC": {},
    "AVRO": {},
}
# Accepted with the value that changes nothing; other values are refused by name.
FIXED = {
    "CSV": {"SKIP_BYTE_ORDER_MARK": "FALSE"},
    "JSON": {
        "SKIP_BYTE_ORDER_MARK": "FALSE",
        "ENABLE_OCTAL": "TRUE",
        "DATE_FORMAT": "'DD.MM.YYYY'",
        "TIME_FORMAT": "'HH24.MI'",
        "TIMESTAMP_FORMAT": "'DD.MM.YYYY'",
        "BINARY_FORMAT": "BASE64",
    },
    "PARQUET": {
        "COMPRESSION": "LZO",
        "REPLACE_INVALID_CHARACTERS": "TRUE",
        "USE_VECTORIZED_SCANNER": "TRUE",
        "SNAPPY_COMPRESSION": "FALSE",
    },
    "ORC": {"REPLACE_INVALID_CHARACTERS": "TRUE"},
    "AVRO": {"REPLACE_INVALID_CHARACTERS": "TRUE"},
}


@pytest.fixture
def load(query: Any, session: Any, tmp_path: Path) -> Callable[..., Rows]:
    """A function that loads a file into a new table, and returns the rows of the table."""

    def run(content: str | bytes, columns: str, format_options: str, copy_options: str = "") -> Rows:
        query("CREATE OR REPLACE STAGE s")
        data = content.encode() if isinstance(content, str) else content
        session.file.put_stream(io.BytesIO(data), "@s/file", auto_compress=False)
        query(f"CREATE OR REPLACE TABLE t ({columns})")
        query(f"COPY INTO t FROM @s FILE_FORMAT = ({format_options}) {copy_options}")
        return [tuple(map(_plain, row)) for row in query("SELECT * FROM t")]

    return run


def _plain(value: Any) -> Any:
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, str) and value.startswith("{"):
        return json.dumps(json.loads(value), separators=(",", ":"), ensure_ascii=False)
    return value if value is None or isinstance(value, str | int | bytes) else str(value)


def _split(kind: str, case: Case) -> tuple[str, str]:
    """Return the other options of a case: those of the file format, and those of COPY."""
    if "MATCH_BY" in case.other:
        return f"TYPE = {kind}", case.other
    return f"TYPE = {kind} {case.other}", ""


@pytest.mark.parametrize(
    ("kind", "option"), [(kind, option) for kind, cases in CASES.items() for option in cases]
)
def test_a_file_format_option_changes_what_is_loaded(load: Any, kind: str, option: str) -> None:
    case = CASES[kind][option]
    assert case.option.startswith(option)
    options, copy = _split(kind, case)
    try:
        without = load(case.content, case.columns, options, copy)
    except Exception as error:
        without = str(error)
    if isinstance(case.rows, str):
        with pytest.raises(Exception, match=case.rows):
            load(case.content, case.columns, f"{options} {case.option}", copy)
        assert not isinstance(without, str)
    else:
        found = load(case.content, case.columns, f"{options} {case.option}", copy)
        assert sorted(found, key=repr) == sorted(case.rows, key=repr)
        assert without != found


@pytest.mark.parametrize(
    ("kind", "option"), [(kind, option) for kind, options in FIXED.items() for option in options]
)
def test_an_option_without_effect_is_refused_by_name(load: Any, kind: str, option: str) -> None:
    content = {"CSV": "a\n", "JSON": "{}", "PARQUET": _parquet(a=[1]), "ORC": _orc(a=[1])}
    content = content.get(kind) or avro_file(_AVRO, [{"x": "a", "y": 1}])
    columns = "x VARCHAR" if kind == "CSV" else ONE
    with pytest.raises(Exception, match=f"does not support.*{option}"):
        load(content, columns, f"TYPE = {kind} {option} = {FIXED[kind][option]}")


@pytest.mark.parametrize("kind", ["CSV", "JSON", "PARQUET", "ORC", "AVRO"])
def test_every_accepted_option_has_a_case(kind: str) -> None:
    fmt = FORMATS[kind]
    covered = {*CASES.get(kind, {}), *ELSEWHERE[kind], *FIXED[kind]}
    assert set(fmt.accepted or ()) == covered
    assert set(ELSEWHERE[kind].values()) <= set(globals())


@pytest.mark.parametrize("kind", ["CSV", "JSON", "PARQUET", "ORC", "AVRO"])
def test_an_unknown_file_format_option_is_an_error(query: Any, kind: str) -> None:
    with pytest.raises(Exception, match="invalid property 'COLOUR'"):
        query(f"CREATE FILE FORMAT f TYPE = {kind} COLOUR = 'red'")


def test_file_extension(query: Any) -> None:
    query("CREATE STAGE s")
    for kind in ("CSV", "JSON"):
        source = "(SELECT 'a')" if kind == "CSV" else "(SELECT OBJECT_CONSTRUCT('a', 1))"
        query(f"COPY INTO @s/x FROM {source} FILE_FORMAT = (TYPE = {kind} FILE_EXTENSION = '{kind}x')")
    assert [row[0] for row in query("LIST @s")] == ["s/x_0_0_0.CSVx", "s/x_0_0_0.JSONx"]


def test_use_logical_type(query: Any, session: Any) -> None:
    query("CREATE STAGE s")
    session.file.put_stream(io.BytesIO(_parquet(a=[b"hi"])), "@s/file", auto_compress=False)
    types = []
    for switch in ("FALSE", "TRUE"):
        query(f"CREATE OR REPLACE FILE FORMAT f TYPE = PARQUET USE_LOGICAL_TYPE = {switch}")
        types += query("SELECT TYPE FROM TABLE(INFER_SCHEMA(LOCATION => '@s', FILE_FORMAT => 'f'))")
    assert types == [("TEXT",), ("BINARY",)]


COPY_CASES = {
    "FILE_FORMAT": "all tests of file formats",
    "FILES": "test_files_and_pattern",
    "PATTERN": "test_files_and_pattern",
    "ON_ERROR": "test_on_error",
    "FORCE": "test_force",
    "PURGE": "test_purge",
    "SIZE_LIMIT": "test_size_limit",
    "RETURN_FAILED_ONLY": "test_return_failed_only",
    "ENFORCE_LENGTH": "test_lengths",
    "TRUNCATECOLUMNS": "test_lengths",
    "LOAD_UNCERTAIN_FILES": "test_load_uncertain_files",
    "MATCH_BY_COLUMN_NAME": "test_match_by_column_name",
    "VALIDATION_MODE": "test_validation_mode",
}


def test_every_accepted_option_of_copy_has_a_test() -> None:
    assert set(COPY_OPTIONS) == set(COPY_CASES)
    assert set(COPY_CASES.values()) - {"all tests of file formats"} <= set(globals())


@pytest.fixture
def stage(query: Any, session: Any) -> Callable[[str, str], None]:
    """A stage, a table, and a function that puts a file on the stage."""
    query("CREATE STAGE s")
    query("CREATE TABLE t (x VARCHAR(3), y INT)")

    def put(name: str, content: str) -> None:
        session.file.put_stream(io.BytesIO(content.encode()), f"@s/{name}", auto_compress=False)

    return put


def copy(query: Any, options: str) -> Rows:
    rows: Rows = query(f"COPY INTO t FROM @s FILE_FORMAT = (TYPE = CSV) {options}")
    return rows


def test_files_and_pattern(query: Any, stage: Any) -> None:
    for name in ("a.csv", "b.csv", "c.txt"):
        stage(name, f"{name[0]},1\n")
    assert [row[0] for row in copy(query, "FILES = ('a.csv')")] == ["s/a.csv"]
    assert [row[0] for row in copy(query, "PATTERN = '.*[.]csv'")] == ["s/b.csv"]
    with pytest.raises(Exception, match="was not found"):
        copy(query, "FILES = ('none.csv')")


@pytest.mark.parametrize(
    ("on_error", "loaded"),
    [
        ("CONTINUE", [("a", 1), ("c", 3), ("d", 4)]),
        ("SKIP_FILE", [("d", 4)]),
        ("SKIP_FILE_2", [("a", 1), ("c", 3), ("d", 4)]),
        ("SKIP_FILE_1", [("d", 4)]),
        ("'SKIP_FILE_50%'", [("a", 1), ("c", 3), ("d", 4)]),
        ("'SKIP_FILE_20%'", [("d", 4)]),
    ],
)
def test_on_error(query: Any, stage: Any, on_error: str, loaded: Rows) -> None:
    stage("1.csv", "a,1\nb,x\nc,3\n")
    stage("2.csv", "d,4\n")
    copy(query, f"ON_ERROR = {on_error}")
    assert query("SELECT * FROM t ORDER BY y") == loaded


def test_on_error_aborts_by_default(query: Any, stage: Any) -> None:
    stage("1.csv", "a,1\nb,x\n")
    for options in ("", "ON_ERROR = ABORT_STATEMENT"):
        with pytest.raises(Exception, match="100038"):
            copy(query, options)
    assert query("SELECT * FROM t") == []
    with pytest.raises(Exception, match="ON_ERROR"):
        copy(query, "ON_ERROR = MAYBE")


def test_force(query: Any, stage: Any) -> None:
    stage("1.csv", "a,1\n")
    copy(query, "")
    assert copy(query, "") == [("Copy executed with 0 files processed.",)]
    copy(query, "FORCE = TRUE")
    assert query("SELECT * FROM t") == [("a", 1), ("a", 1)]


def test_purge(query: Any, stage: Any) -> None:
    stage("1.csv", "a,1\n")
    copy(query, "PURGE = FALSE")
    assert len(query("LIST @s")) == 1
    copy(query, "FORCE = TRUE PURGE = TRUE")
    assert query("LIST @s") == []


def test_size_limit(query: Any, stage: Any) -> None:
    for n in range(3):
        stage(f"{n}.csv", "abc,1\n" * 10)
    assert len(copy(query, "SIZE_LIMIT = 61")) == 2  # the file that exceeds the limit is the last one
    assert len(copy(query, "SIZE_LIMIT = 1000")) == 1


def test_return_failed_only(query: Any, stage: Any) -> None:
    stage("1.csv", "a,1\n")
    stage("2.csv", "a,x\n")
    rows = copy(query, "ON_ERROR = CONTINUE RETURN_FAILED_ONLY = TRUE")
    assert [row[0] for row in rows] == ["s/2.csv"]


def test_lengths(query: Any, stage: Any) -> None:
    stage("1.csv", "abcd,1\n")
    with pytest.raises(Exception, match="User character length limit"):
        copy(query, "")
    for option in ("TRUNCATECOLUMNS = TRUE", "ENFORCE_LENGTH = FALSE"):
        copy(query, f"{option} FORCE = TRUE")
    assert query("SELECT * FROM t") == [("abc", 1), ("abc", 1)]


def test_load_uncertain_files(query: Any, stage: Any) -> None:
    stage("1.csv", "a,1\n")
    with pytest.raises(Exception, match="does not support.*LOAD_UNCERTAIN_FILES"):
        copy(query, "LOAD_UNCERTAIN_FILES = TRUE")
    copy(query, "LOAD_UNCERTAIN_FILES = FALSE")


@pytest.mark.parametrize(
    ("match", "rows"), [("CASE_INSENSITIVE", [("a", 1)]), ("CASE_SENSITIVE", [("a", None)])]
)
def test_match_by_column_name(query: Any, stage: Any, match: str, rows: Rows) -> None:
    stage("1.csv", "y,X\n1,a\n")
    query(
        f"COPY INTO t FROM @s FILE_FORMAT = (TYPE = CSV PARSE_HEADER = TRUE) MATCH_BY_COLUMN_NAME = {match}"
    )
    assert query("SELECT * FROM t") == rows


def test_validation_mode(query: Any, stage: Any) -> None:
    stage("1.csv", "a,1\nb,x\n")
    assert copy(query, "VALIDATION_MODE = RETURN_1_ROWS") == [("a", 1)]
    assert [row[0] for row in copy(query, "VALIDATION_MODE = RETURN_ERRORS")] == [
        "Numeric value 'x' is not recognized"
    ]
    assert query("SELECT * FROM t") == []


def test_a_validation_reports_a_listed_file_that_does_not_exist(query: Any, stage: Any) -> None:
    stage("1.csv", "a,1\n")
    ((message, file, *_),) = copy(query, "FILES = ('1.csv', 'none.csv') VALIDATION_MODE = RETURN_ERRORS")
    assert file == "none.csv"
    assert "The file might not exist" in message


def test_a_listed_column_may_have_no_field(query: Any, stage: Any) -> None:
    stage("1.csv", "a\nb\n")
    with pytest.raises(Exception, match="Number of columns in file"):
        copy(query, "")
    query("COPY INTO t (x, y) FROM @s FILE_FORMAT = (TYPE = CSV)")
    assert query("SELECT * FROM t ORDER BY x") == [("a", None), ("b", None)]
    stage("2.csv", "c,1,2\n")
    with pytest.raises(Exception, match="Number of columns in file"):
        query("COPY INTO t (x, y) FROM @s FILE_FORMAT = (TYPE = CSV)")


def test_a_number_with_too_many_digits_is_out_of_range(query: Any, stage: Any) -> None:
    stage("1.csv", "12.3\n")
    query("CREATE OR REPLACE TABLE t (n NUMBER(1, 0))")
    with pytest.raises(Exception, match=r"100039 \(22018\): Numeric value '12.3' is out of range"):
        copy(query, "")


def test_infer_schema_of_a_file_that_does_not_exist(query: Any, stage: Any) -> None:
    stage("1.csv", "a,1\n")
    query("CREATE FILE FORMAT f TYPE = CSV")
    with pytest.raises(Exception, match="'s/none.csv' was not found"):
        query("SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@s', FILE_FORMAT => 'f', FILES => 'none.csv'))")


def test_a_string_of_a_parquet_file_that_is_no_number(query: Any, session: Any, stage: Any) -> None:
    session.file.put_stream(io.BytesIO(_parquet(a=["str1"])), "@s/1.parquet", auto_compress=False)
    query("CREATE FILE FORMAT f TYPE = PARQUET")
    with pytest.raises(Exception, match='Failed to cast variant value "str1" to FIXED'):
        query("SELECT $1:a::NUMBER FROM @s (FILE_FORMAT => 'f')")


def test_an_unknown_option_of_copy_is_an_error(query: Any, stage: Any) -> None:
    stage("1.csv", "a,1\n")
    with pytest.raises(Exception, match="COLOUR"):
        copy(query, "COLOUR = RED")


@pytest.mark.parametrize(
    "select",
    [
        "SELECT $1, $2 FROM @s WHERE $2 > 1",
        "SELECT $1, $2 FROM @s LIMIT 1",
        "SELECT $1, SUM($2) FROM @s GROUP BY $1",
        "SELECT $1, $2 FROM @s ORDER BY 1",
        "SELECT a.$1, b.$2 FROM @s a JOIN @s b ON a.$1 = b.$1",
    ],
)
def test_a_select_of_copy_takes_no_more_clauses(query: Any, stage: Any, select: str) -> None:
    stage("1.csv", "a,1\n")
    with pytest.raises(Exception, match="only supports simple SELECT"):
        query(f"COPY INTO t FROM ({select}) FILE_FORMAT = (TYPE = CSV)")
