"""COPY INTO with rejected rows: a constant number of statements, and formats of dates and times."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml import Pipeline
from snowpipe_ml.local.core import duck
from tests.conftest import ask, write_spec

# AUTO reads times with seconds, but not without.
BAD = "12/1/2009 7:45"


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that DuckDB runs; a statement with many parameter rows counts once per row."""
    seen: list[str] = []
    execute, executemany = duck.Duck.execute, duck.Duck.executemany

    def counted(self: duck.Duck, text: str, parameters: Sequence[Any] | None = None) -> duck.Rows:
        seen.append(text)
        return execute(self, text, parameters)

    def counted_many(self: duck.Duck, text: str, rows: Sequence[Sequence[Any]]) -> None:
        seen.extend([text] * len(rows))
        executemany(self, text, rows)

    monkeypatch.setattr(duck.Duck, "execute", counted)
    monkeypatch.setattr(duck.Duck, "executemany", counted_many)
    return seen


@pytest.fixture
def stage(session: Any, query: Any) -> Any:
    """A stage, a table, and a function that uploads a file with a number of rows that cannot be loaded."""
    query("CREATE STAGE s")
    query("CREATE TABLE t (id NUMBER, at TIMESTAMP_NTZ)")

    def put(name: str, bad: int, value: str = BAD) -> None:
        lines = [
            "0,2009-12-01 07:45:00",
            *(f"{n},{value}" for n in range(1, bad + 1)),
            "9,2009-12-01 07:46:00",
        ]
        session.file.put_stream(io.BytesIO("\n".join(lines).encode()), f"@s/{name}", auto_compress=False)

    return put


def counts_of(seen: list[str], action: Any) -> int:
    del seen[:]
    action()
    return len(seen)


@pytest.mark.parametrize(
    "options",
    [
        "ON_ERROR = CONTINUE",
        "ON_ERROR = SKIP_FILE",
        "ON_ERROR = ABORT_STATEMENT",
        "VALIDATION_MODE = RETURN_ERRORS",
    ],
)
def test_the_number_of_statements_does_not_grow_with_the_rejected_rows(
    query: Any, stage: Any, statements: list[str], options: str
) -> None:
    stage("few/x.csv", 3)
    stage("many/x.csv", 300)

    def copy(folder: str) -> None:
        text = f"COPY INTO t FROM @s/{folder}/ FILE_FORMAT = (TYPE = CSV) {options}"
        if "ABORT" in options:
            with pytest.raises(SnowparkSQLException, match="Timestamp '12/1/2009 7:45' is not recognized"):
                query(text)
        else:
            query(text)

    few = counts_of(statements, lambda: copy("few"))
    many = counts_of(statements, lambda: copy("many"))
    assert many <= few + 10  # not one per row


def test_all_rejected_rows_of_many_are_kept(
    session: Any, query: Any, stage: Any, statements: list[str]
) -> None:
    stage("x.csv", 300)
    stage("y.csv", 200, "never")
    rows = session.sql("COPY INTO t FROM @s FILE_FORMAT = (TYPE = CSV) ON_ERROR = CONTINUE").collect()
    assert [(row["file"], row["rows_loaded"], row["errors_seen"]) for row in rows] == [
        ("s/x.csv", 2, 300),
        ("s/y.csv", 2, 200),
    ]
    kept = query(
        "SELECT FILE, COUNT(*), MIN(LINE), MAX(LINE), MIN(ERROR), MIN(REJECTED_RECORD) "
        "FROM TABLE(VALIDATE(t, JOB_ID => '_last')) GROUP BY FILE ORDER BY FILE"
    )
    assert kept == [
        ("s/x.csv", 300, 2, 301, "Timestamp '12/1/2009 7:45' is not recognized", "1,12/1/2009 7:45"),
        ("s/y.csv", 200, 2, 201, "Timestamp 'never' is not recognized", "1,never"),
    ]
    assert len(statements) < 100


def test_a_value_that_auto_reads_is_found_behind_many_that_it_does_not(
    session: Any, query: Any, stage: Any, statements: list[str]
) -> None:
    stage("x.csv", 300)
    session.file.put_stream(
        io.BytesIO(f"6,{BAD}\n7,01/15/2024 10:20:30\n".encode()), "@s/y.csv", auto_compress=False
    )
    rows = query("COPY INTO t FROM @s FILE_FORMAT = (TYPE = CSV) ON_ERROR = CONTINUE")
    assert [(row[3], row[5]) for row in rows] == [(2, 300), (1, 1)]
    assert query("SELECT at::VARCHAR FROM t WHERE id = 7") == [("2024-01-15 10:20:30.000",)]
    assert len(statements) < 100


@pytest.mark.parametrize("packed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_rows_behind_many_megabytes_of_rejected_ones_are_loaded(
    session: Any, query: Any, tmp_path: Path, packed: bool
) -> None:
    """With quotes, DuckDB's parallel reader stops at the first buffer of a file that has no valid row."""
    padding = "x" * 120_000
    lines = [*(f"{n},{BAD},{padding}\n" for n in range(600)), "7,2009-12-01 07:45:00,z\n"]
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    with gzip.open(bucket / "x.csv.gz", "wt", 1) if packed else (bucket / "x.csv").open("w") as out:
        out.writelines(lines)
    query(f"CREATE STAGE s URL = 'file://{bucket}'")
    query("CREATE TABLE t (id NUMBER, at TIMESTAMP_NTZ, padding VARCHAR)")
    options = "FILE_FORMAT = (TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '\"') ON_ERROR = CONTINUE"
    (row,) = session.sql(f"COPY INTO t FROM @s {options}").collect()
    assert (row["rows_parsed"], row["rows_loaded"], row["errors_seen"]) == (601, 1, 600)
    assert query("SELECT id FROM t") == [(7,)]


FORMATS = [
    ("TIMESTAMP_NTZ", "TIMESTAMP_FORMAT = 'MM/DD/YYYY HH24:MI'", BAD, "2009-12-01 07:45:00.000"),
    (
        "TIMESTAMP_NTZ",
        "TIMESTAMP_FORMAT = 'DD.MM.YYYY HH24:MI:SS'",
        "03.12.2009 17:45:59",
        "2009-12-03 17:45:59.000",
    ),
    ("TIMESTAMP_NTZ", "TIMESTAMP_FORMAT = 'YYYYMMDDHH24MISS'", "20091203174559", "2009-12-03 17:45:59.000"),
    ("DATE", "DATE_FORMAT = 'DD/MM/YYYY'", "03/12/2009", "2009-12-03"),
    ("DATE", "DATE_FORMAT = 'DD-MON-YYYY'", "03-DEC-2009", "2009-12-03"),
    ("TIME", "TIME_FORMAT = 'HH12:MI AM'", "05:45 PM", "17:45:00"),
]


@pytest.mark.parametrize(("kind", "option", "text", "expected"), FORMATS)
def test_a_file_format_says_how_dates_and_times_are_written(
    session: Any, query: Any, kind: str, option: str, text: str, expected: str
) -> None:
    query("CREATE STAGE s")
    query(f"CREATE TABLE t (id NUMBER, at {kind})")
    query(f"CREATE FILE FORMAT f TYPE = CSV {option}")
    session.file.put_stream(io.BytesIO(f"1,{text}\n2,\n3,never\n".encode()), "@s/x.csv", auto_compress=False)
    (row,) = session.sql("COPY INTO t FROM @s FILE_FORMAT = (FORMAT_NAME = f) ON_ERROR = CONTINUE").collect()
    assert (row["rows_loaded"], row["errors_seen"], row["first_error_line"]) == (2, 1, 3)
    assert "'never' is not recognized" in row["first_error"]
    assert query("SELECT id, at::VARCHAR FROM t ORDER BY id") == [(1, expected), (2, None)]


def test_what_auto_reads_is_rejected_where_the_format_is_another(session: Any, query: Any) -> None:
    query("CREATE STAGE s")
    query("CREATE TABLE t (at DATE)")
    session.file.put_stream(io.BytesIO(b"2009-12-03\n03/12/2009\n"), "@s/x.csv", auto_compress=False)
    text = "COPY INTO t FROM @s FILE_FORMAT = (TYPE = CSV DATE_FORMAT = 'DD/MM/YYYY') ON_ERROR = CONTINUE"
    (row,) = session.sql(text).collect()
    assert (row["rows_loaded"], row["errors_seen"], row["first_error_line"]) == (1, 1, 1)
    assert query("SELECT at::VARCHAR FROM t") == [("2009-12-03",)]


SPEC = """\
stages: {load: {}}
file_formats:
  times:
    skip_header: 1
    date_format: DD/MM/YYYY
    time_format: HH12:MI AM
    timestamp_format: MM/DD/YYYY HH24:MI
tables: {raw: {columns: {D: date, T: time, AT: timestamp_ntz}}}
steps:
  extract: {type: extract, from: files, into: "@load/files/", layouts: {all: {columns: [d, t, at]}}}
  load: {type: copy_into, from: "@load/files/all/", into: raw, file_format: times, on_error: continue}
"""


def test_a_spec_says_how_dates_and_times_are_written(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x.csv").write_text(f"d,t,at\n03/12/2009,05:45 PM,{BAD}\n")
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    statements = [statement.text for step in pipeline.plan() for statement in step.plan.statements]
    (made,) = [text for text in statements if "FILE FORMAT IF NOT EXISTS TIMES" in text]
    assert "DATE_FORMAT = 'DD/MM/YYYY'" in made
    assert "TIME_FORMAT = 'HH12:MI AM'" in made
    assert "TIMESTAMP_FORMAT = 'MM/DD/YYYY HH24:MI'" in made
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items()}
    assert ask(pipeline, "SELECT D::VARCHAR, T::VARCHAR, AT::VARCHAR FROM raw") == [
        ("2009-12-03", "17:45:00", "2009-12-01 07:45:00.000")
    ]


ODD = [
    "1,2.5,true,2024-01-15,2024-01-15 10:20:30,10:20:30,abc",
    "x,2.5,true,2024-01-15,2024-01-15 10:20:30,10:20:30,abc",
    "2,nan,yes,01/15/2024,2024-01-15T10:20:30.123456,10:20,",
    "99999999999999999999999999,1,0,2024-01-15,2024-01-15,1:02:03,\\N",
    "3,1_000,maybe,2024-02-30,never,25:00:00,too long a text",
    "4,,,,,,",
    ",1,1,2024-01-15,2024-01-15,10:20:30,no number",
    "5,.5e3,OFF,15-JAN-2024,1705314030,10:20:30.5 PM,ü",
    "6,1,t,infinity,epoch,10:20:30,a",
]


@pytest.mark.parametrize("quote", ["", "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'"])
def test_many_rejected_rows_have_the_errors_of_few(session: Any, query: Any, quote: str) -> None:
    """A file of which many rows are rejected is converted all at once; one with an escape character by record."""
    text = "\n".join(ODD * 300) + "\n"
    session.sql("CREATE STAGE s").collect()
    session.file.put_stream(io.BytesIO(text.encode()), "@s/x.csv", auto_compress=False)
    found = []
    for table, escape in (("together", ""), ("by_record", "ESCAPE = '^'")):
        query(
            f"CREATE TABLE {table} (i NUMBER NOT NULL, f FLOAT, b BOOLEAN, d DATE, ts TIMESTAMP_NTZ, t TIME, "
            "v VARCHAR(8))"
        )
        result = query(
            f"COPY INTO {table} FROM @s FILE_FORMAT = (TYPE = CSV {quote} {escape}) ON_ERROR = CONTINUE"
        )
        kept = query(f"SELECT * FROM TABLE(VALIDATE({table}, JOB_ID => '_last')) ORDER BY LINE")
        rows = query(f"SELECT * EXCLUDE f, f::VARCHAR FROM {table}")
        shown = repr((result, kept, rows)).replace(table.upper(), "T")
        found.append(shown)
        assert len(kept) == 300 * 5
    assert found[0] == found[1]
    query("CREATE OR REPLACE TABLE together (i NUMBER)")
    assert query("SELECT * FROM TABLE(VALIDATE(together, JOB_ID => '_last'))") == []


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("end", ['2,"y\n3,z\n', '2,"y'])
@pytest.mark.parametrize("width", ["TRUE", "FALSE"])
def test_a_field_that_is_not_closed_is_no_silent_loss(
    session: Any, query: Any, compressed: bool, end: str, width: str
) -> None:
    """With one thread, DuckDB's reader leaves out such a record at the end of a file without an error."""
    query("CREATE STAGE s")
    query("CREATE TABLE t (a NUMBER, b VARCHAR)")
    data = f"1,x\n{end}".encode()
    session.file.put_stream(
        io.BytesIO(gzip.compress(data) if compressed else data),
        "@s/f.csv.gz" if compressed else "@s/f.csv",
        auto_compress=False,
    )
    form = f"(TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '\"' ERROR_ON_COLUMN_COUNT_MISMATCH = {width})"
    with pytest.raises(SnowparkSQLException, match="closing quote"):
        query(f"COPY INTO t FROM @s FILE_FORMAT = {form}")
    assert query("SELECT * FROM t") == []
    query(f"COPY INTO t FROM @s FILE_FORMAT = {form} ON_ERROR = CONTINUE")
    assert query("SELECT * FROM t") == [(1, "x")]


@pytest.mark.parametrize("begin", ["BEGIN", "SELECT 1"])
def test_lines_of_many_rejected_rows_are_those_of_the_file(session: Any, query: Any, begin: str) -> None:
    """In a transaction, DuckDB numbers the new rows of a table otherwise."""
    query("CREATE STAGE s")
    query("CREATE TABLE t (a NUMBER, b VARCHAR)")
    data = b"a,b\n1,x\n" + b"bad,y\n" * 3000
    session.file.put_stream(io.BytesIO(gzip.compress(data)), "@s/f.csv.gz", auto_compress=False)
    query(begin)
    copied = query("COPY INTO t FROM @s FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1) ON_ERROR = CONTINUE")
    assert copied[0][7] == 3
    lines = query("SELECT MIN(line), MAX(line), COUNT(*) FROM TABLE(VALIDATE(t, JOB_ID => '_last'))")
    assert lines == [(3, 3002, 3000)]
    query("ROLLBACK")
