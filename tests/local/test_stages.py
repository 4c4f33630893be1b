from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError
from snowflake.snowpark.exceptions import SnowparkSQLException

CSV = 'id,name,at\n1,a,2020-01-01\n2,"b, c",2020-01-02\nx,d,2020-01-03\n4,e,not a date\n5,f\n6,g,2020-01-06\n'
FORMAT = "FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1 FIELD_OPTIONALLY_ENCLOSED_BY = '\"')"


@pytest.fixture
def loaded(session: Any, query: Any, tmp_path: Path) -> Any:
    query("CREATE STAGE s")
    query("CREATE TABLE t (id INT, name VARCHAR, at DATE)")
    path = tmp_path / "x.csv"
    path.write_text(CSV)
    session.file.put(str(path), "@s/in/")
    return path


def test_put_list_get_remove(session: Any, query: Any, loaded: Path, tmp_path: Path) -> None:
    (row,) = session.sql("LIST @s").collect()
    assert row["name"] == "s/in/x.csv.gz"
    assert session.file.put(str(loaded), "@s/in/")[0].status == "SKIPPED"
    assert session.file.put(str(loaded), "@s/in/", overwrite=True)[0].status == "UPLOADED"
    session.file.put_stream(io.BytesIO(b"hello"), "@s/note.txt", auto_compress=False)
    session.file.get("@s/in/x.csv.gz", str(tmp_path / "out"))
    assert gzip.decompress((tmp_path / "out" / "x.csv.gz").read_bytes()).decode() == CSV
    assert query("REMOVE @s/in") == [("s/in/x.csv.gz", "removed")]
    assert [row["name"] for row in session.sql("LIST @s").collect()] == ["s/note.txt"]


def test_copy_continue_keeps_every_rejected_row(session: Any, query: Any, loaded: Path) -> None:
    (row,) = session.sql(f"COPY INTO t FROM @s {FORMAT} ON_ERROR = CONTINUE").collect()
    assert row.as_dict() == {
        "file": "s/in/x.csv.gz",
        "status": "PARTIALLY_LOADED",
        "rows_parsed": 6,
        "rows_loaded": 3,
        "error_limit": 6,
        "errors_seen": 3,
        "first_error": "Numeric value 'x' is not recognized",
        "first_error_line": 4,
        "first_error_character": 1,
        "first_error_column_name": '"T"["ID":1]',
    }
    rejected = query("SELECT LINE, REJECTED_RECORD FROM TABLE(VALIDATE(t, JOB_ID => '_last')) ORDER BY LINE")
    assert rejected == [(4, "x,d,2020-01-03"), (5, "4,e,not a date"), (6, "5,f")]
    assert query("SELECT id FROM t ORDER BY id") == [(1,), (2,), (6,)]


def test_copy_aborts_whole_by_default(query: Any, loaded: Path) -> None:
    with pytest.raises(
        SnowparkSQLException, match=r"Numeric value 'x' is not recognized\s+File 'in/x.csv.gz', line 4"
    ):
        query(f"COPY INTO t FROM @s {FORMAT}")
    assert query("SELECT COUNT(*) FROM t") == [(0,)]


def test_copy_skips_the_file(session: Any, query: Any, loaded: Path) -> None:
    session.file.put_stream(io.BytesIO(b"id,name,at\n9,z,2020-01-09\n"), "@s/in/y.csv", auto_compress=False)
    rows = session.sql(f"COPY INTO t FROM @s {FORMAT} ON_ERROR = SKIP_FILE").collect()
    assert [(row["status"], row["rows_loaded"]) for row in rows] == [("LOAD_FAILED", 0), ("LOADED", 1)]
    assert query("SELECT id FROM t") == [(9,)]


def test_a_file_is_loaded_once(query: Any, loaded: Path, session: Any) -> None:
    statement = f"COPY INTO t FROM @s {FORMAT} ON_ERROR = CONTINUE"
    query(statement)
    assert query(statement) == [("Copy executed with 0 files processed.",)]
    query("DELETE FROM t")
    assert query(statement) == [("Copy executed with 0 files processed.",)]
    query("TRUNCATE TABLE t")
    query(statement)
    assert query("SELECT COUNT(*) FROM t") == [(3,)]
    query(statement.replace("CONTINUE", "CONTINUE FORCE = TRUE"))
    assert query("SELECT COUNT(*) FROM t") == [(6,)]
    history = query("SELECT STATUS, ROW_COUNT FROM INFORMATION_SCHEMA.LOAD_HISTORY")
    assert history == [("PARTIALLY_LOADED", 3), ("PARTIALLY_LOADED", 3)]


def test_copy_with_a_select(session: Any, query: Any) -> None:
    query("CREATE STAGE s")
    query("CREATE TABLE t (name VARCHAR, n INT, file VARCHAR)")
    session.file.put_stream(io.BytesIO(b"1,a\n2,b\n"), "@s/x.csv", auto_compress=False)
    query("COPY INTO t FROM (SELECT $2, $1::INT * 10, METADATA$FILENAME FROM @s) FILE_FORMAT = (TYPE = CSV)")
    assert query("SELECT * FROM t ORDER BY n") == [("a", 10, "x.csv"), ("b", 20, "x.csv")]
    assert query("SELECT $2 FROM @s ORDER BY 1") == [("a",), ("b",)]


def test_null_and_empty(session: Any, query: Any) -> None:
    query("CREATE STAGE s")
    query("CREATE TABLE t (a VARCHAR, b VARCHAR, c INT)")
    query("CREATE FILE FORMAT f TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '\"' NULL_IF = ('NULL')")
    session.file.put_stream(io.BytesIO(b'NULL,"",1\nx,,\n'), "@s/x.csv", auto_compress=False)
    query("COPY INTO t FROM @s FILE_FORMAT = (FORMAT_NAME = 'f')")
    assert query("SELECT * FROM t ORDER BY c") == [(None, "", 1), ("x", None, None)]


def test_an_external_stage_is_a_folder(query: Any, tmp_path: Path) -> None:
    folder = tmp_path / "bucket" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("1\n2\n")
    query(f"CREATE STAGE s URL = 'file://{tmp_path}/bucket'")
    query("CREATE TABLE t (a INT)")
    query("COPY INTO t FROM @s/deep/ FILE_FORMAT = (TYPE = CSV) PATTERN = '.*[.]csv'")
    assert query("SELECT SUM(a) FROM t") == [(3,)]


@pytest.mark.parametrize("path", ["@s/../../x", "@s/a/../../../x"])
def test_a_path_cannot_leave_its_stage(session: Any, query: Any, path: str) -> None:
    query("CREATE STAGE s")
    with pytest.raises(ProgrammingError, match="leaves the stage"):
        session.file.put_stream(io.BytesIO(b"x"), path + "/f", auto_compress=False)


def test_nothing_is_silently_read_otherwise(query: Any) -> None:
    query("CREATE STAGE s")
    query("CREATE TABLE t (a INT)")
    for options, word in (
        ("FILE_FORMAT = (TYPE = XML)", "XML"),
        ("FILE_FORMAT = (TYPE = CSV ENCODING = 'LATIN1')", "ENCODING"),
        ("FILE_FORMAT = (TYPE = CSV) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE", "MATCH_BY_COLUMN_NAME"),
    ):
        with pytest.raises(SnowparkSQLException, match=f"does not support.*{word}"):
            query(f"COPY INTO t FROM @s {options}")
