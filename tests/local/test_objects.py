"""Sequences, clones, streams, tasks, the query history and other objects of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml.local import connect
from snowpipe_ml.local.core.errors import UnsupportedError


def test_sequences_and_autoincrement(query: Any) -> None:
    query("CREATE SEQUENCE s START = 10 INCREMENT = 5")
    assert query("SELECT s.NEXTVAL, local.public.s.NEXTVAL") == [(10, 15)]
    query("CREATE TABLE t (id INT AUTOINCREMENT START 100 INCREMENT 10, v VARCHAR)")
    query("INSERT INTO t (v) VALUES ('a'), ('b')")
    assert query("SELECT * FROM t ORDER BY id") == [(100, "a"), (110, "b")]
    query("DROP SEQUENCE s")
    with pytest.raises(SnowparkSQLException):
        query("SELECT s.NEXTVAL")


def test_a_schema_and_a_database_are_cloned(query: Any) -> None:
    query("CREATE SCHEMA a")
    query("CREATE TABLE t (n INT DEFAULT 7)")
    query("INSERT INTO t VALUES (1), (2)")
    query("CREATE VIEW v AS SELECT n + 1 AS m FROM t")
    query("CREATE STAGE st")
    query("CREATE FUNCTION f(x INT) RETURNS INT AS 'x + 1'")
    query("CREATE SCHEMA b CLONE a")
    query("INSERT INTO b.t (n) VALUES (DEFAULT)")
    assert query("SELECT n FROM b.t ORDER BY n") == [(1,), (2,), (7,)]
    assert query("SELECT n FROM a.t ORDER BY n") == [(1,), (2,)]
    assert query("SELECT b.f(1), COUNT(*) FROM b.v") == [(2, 3)]
    assert query("LIST @b.st") == []
    query("CREATE DATABASE other CLONE local")
    assert query("SELECT COUNT(*) FROM other.b.t") == [(3,)]


def test_a_stream_shows_changes_until_dml_reads_them(query: Any) -> None:
    query("CREATE TABLE t (n INT, v VARCHAR)")
    query("CREATE STREAM s ON TABLE t")
    query("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    assert query("SELECT n, METADATA$ACTION, METADATA$ISUPDATE FROM s ORDER BY n") == [
        (1, "INSERT", False),
        (2, "INSERT", False),
    ]
    query("CREATE TABLE sink (n INT, what VARCHAR)")
    query("INSERT INTO sink SELECT n, METADATA$ACTION FROM s WHERE n < 100")
    assert query("SELECT SYSTEM$STREAM_HAS_DATA('s')") == [(False,)]
    query("UPDATE t SET v = 'z' WHERE n = 1")
    assert query("SELECT v, METADATA$ACTION FROM s ORDER BY v") == [("a", "DELETE"), ("z", "INSERT")]
    assert query("SELECT DISTINCT METADATA$ISUPDATE FROM s") == [(True,)]


def test_reading_a_stream_is_undone_with_its_transaction(query: Any) -> None:
    query("CREATE TABLE t (n INT)")
    query("CREATE STREAM s ON TABLE t APPEND_ONLY = TRUE")
    query("CREATE TABLE sink (n INT)")
    query("INSERT INTO t VALUES (1)")
    query("BEGIN")
    query("INSERT INTO sink SELECT n FROM s")
    query("ROLLBACK")
    assert query("SELECT n FROM s") == [(1,)]
    query("DELETE FROM t")
    query("CREATE OR REPLACE STREAM s ON TABLE t APPEND_ONLY = TRUE")
    query("INSERT INTO t VALUES (2)")
    assert query("SELECT n FROM s") == [(2,)]


def test_tasks_run_by_hand_in_order(query: Any) -> None:
    query("CREATE TABLE log (what VARCHAR)")
    query("CREATE TASK first SCHEDULE = '60 MINUTE' AS INSERT INTO log VALUES ('first')")
    query("CREATE TASK second AFTER first WHEN 1 = 1 AS INSERT INTO log VALUES ('second')")
    query("CREATE TASK never AFTER first WHEN 1 = 0 AS INSERT INTO log VALUES ('never')")
    query("CREATE TASK asleep AFTER first AS INSERT INTO log VALUES ('asleep')")
    query("ALTER TASK second RESUME")
    query("ALTER TASK never RESUME")
    query("EXECUTE TASK first")
    assert query("SELECT * FROM log") == [("first",), ("second",)]


@pytest.mark.parametrize("value", ["'abc'", "-1", "1.5", "604801", "TRUE", "''", "NULL"])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(query: Any, value: str) -> None:
    query("ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 604800 QUERY_TAG = 'mine'")
    before = query("SHOW PARAMETERS")
    with pytest.raises(
        SnowparkSQLException, match=r"invalid value \[.*\] for parameter 'STATEMENT_TIMEOUT_IN_SECONDS'"
    ):
        query(
            f"ALTER SESSION SET QUERY_TAG = 'other' TIMEZONE = 'UTC' STATEMENT_TIMEOUT_IN_SECONDS = {value}"
        )
    assert query("SHOW PARAMETERS") == before
    for good in ("0", "'60'"):
        query(f"ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = {good}")
    assert query("SELECT 1") == [(1,)]


def test_the_history_of_a_session(session: Any, query: Any) -> None:
    query("ALTER SESSION SET QUERY_TAG = 'mine'")
    query("SELECT 41 + 1")
    with pytest.raises(SnowparkSQLException):
        query("SELECT * FROM nope")
    rows = query(
        "SELECT QUERY_TEXT, EXECUTION_STATUS, QUERY_TAG FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION()) "
        "WHERE QUERY_TEXT ILIKE '%41 + 1' OR QUERY_TEXT ILIKE '%nope' ORDER BY START_TIME"
    )
    assert [(text.strip(), *rest) for text, *rest in rows] == [
        ("SELECT 41 + 1", "SUCCESS", "mine"),
        ("SELECT * FROM nope", "FAILED_WITH_ERROR", "mine"),
    ]


def test_a_procedure_in_owners_and_in_callers_rights(query: Any) -> None:
    query("CREATE TABLE t AS SELECT 1 AS n")
    query("SET x = 5")
    body = (
        "LANGUAGE PYTHON RUNTIME_VERSION = '3.11' PACKAGES = ('snowflake-snowpark-python') HANDLER = 'h' {} AS $$\n"
        "def h(session, more):\n    return session.sql('SELECT CURRENT_SCHEMA()').collect()[0][0] + str(more)\n$$"
    )
    query("CREATE PROCEDURE owners(n INT) RETURNS VARCHAR " + body.format("EXECUTE AS OWNER"))
    query("CREATE PROCEDURE callers(n INT) RETURNS VARCHAR " + body.format("EXECUTE AS CALLER"))
    query("CREATE SCHEMA elsewhere")
    assert query("CALL public.owners(1)") == [("PUBLIC1",)]
    assert query("CALL public.callers(2)") == [("ELSEWHERE2",)]
    assert query("SELECT CURRENT_SCHEMA()") == [("ELSEWHERE",)]


def test_a_procedure_returns_a_table_and_works_in_the_callers_transaction(query: Any) -> None:
    query("CREATE TABLE t (n INT)")
    query(
        "CREATE PROCEDURE fill(n INT DEFAULT 3) RETURNS TABLE (n INT) LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        "PACKAGES = ('snowflake-snowpark-python') HANDLER = 'h' AS $$\n"
        "def h(session, n):\n    session.sql(f'INSERT INTO t VALUES ({n})').collect()\n    return session.table('t')\n$$"
    )
    query("BEGIN")
    assert query("CALL fill(7)") == [(7,)]
    query("ROLLBACK")
    assert query("SELECT * FROM TABLE(fill())") == [(3,)]


def test_a_procedure_that_is_not_there(query: Any) -> None:
    with pytest.raises(SnowparkSQLException, match="SQL compilation error:\\nUnknown function NOPE"):
        query("CALL nope(1)")


def test_a_procedure_for_one_call(query: Any) -> None:
    assert query(
        "WITH once AS PROCEDURE (n INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        "PACKAGES = ('snowflake-snowpark-python') HANDLER = 'h' AS $$\ndef h(session, n):\n    return n * 2\n$$ CALL once(21)"
    ) == [(42,)]


def test_a_function_made_in_a_transaction_is_called_in_it(query: Any) -> None:
    query("CREATE TABLE t AS SELECT 1 AS n")
    query(
        "CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' AS $$\ndef h(x):\n    return x + 1\n$$"
    )
    query("BEGIN")
    query("INSERT INTO t VALUES (2)")
    assert query("SELECT f(n) FROM t ORDER BY n") == [(2,), (3,)]
    query("ROLLBACK")
    assert query("SELECT f(n) FROM t") == [(2,)]


def test_timestamps_with_their_offset(query: Any) -> None:
    query("CREATE TABLE t (a TIMESTAMP_TZ)")
    query("INSERT INTO t SELECT TO_TIMESTAMP_TZ('2024-03-01 12:00:00 +05:30')")
    assert query(
        "SELECT a::VARCHAR, a::TIMESTAMP_NTZ::VARCHAR, a = '2024-03-01 06:30:00 +00:00'::TIMESTAMP_TZ FROM t"
    ) == [("2024-03-01 12:00:00.000 +0530", "2024-03-01 12:00:00.000", True)]
    (stamp,) = query("SELECT a FROM t")[0]
    assert stamp.isoformat() == "2024-03-01T12:00:00+05:30"
    (later,) = query("SELECT DATEADD(day, 1, a) FROM t")[0]
    assert later.isoformat() == "2024-03-02T12:00:00+05:30"


def test_pivot_flatten_and_asof(query: Any) -> None:
    query("CREATE TABLE t AS SELECT * FROM VALUES ('a', 'x', 1), ('a', 'y', 2), ('b', 'x', 3) v(k, c, n)")
    assert query("SELECT * FROM t PIVOT (SUM(n) FOR c IN (ANY ORDER BY c)) ORDER BY k") == [
        ("a", 1, 2),
        ("b", 3, None),
    ]
    assert query("SELECT * FROM t PIVOT (SUM(n) FOR c IN ('x', 'y') DEFAULT ON NULL (0)) ORDER BY k") == [
        ("a", 1, 2),
        ("b", 3, 0),
    ]
    assert query(
        "SELECT KEY, PATH, VALUE::INT FROM TABLE(FLATTEN(INPUT => PARSE_JSON('{\"a\": {\"b\": 1}}'), RECURSIVE => TRUE)) WHERE KEY = 'b'"
    ) == [("b", "a.b", 1)]
    assert query(
        "SELECT f.INDEX FROM (SELECT PARSE_JSON('[]') AS v) t, LATERAL FLATTEN(INPUT => t.v, OUTER => TRUE) f"
    ) == [(None,)]
    query("CREATE TABLE l AS SELECT * FROM VALUES (1), (5) v(t)")
    query("CREATE TABLE r AS SELECT * FROM VALUES (0, 'zero'), (4, 'four') v(t, name)")
    assert query("SELECT l.t, r.name FROM l ASOF JOIN r MATCH_CONDITION (l.t >= r.t) ORDER BY 1") == [
        (1, "zero"),
        (5, "four"),
    ]


def test_pandas_goes_in(session: Any) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {
            "ID": [1, 2],
            "NAME": ["a", None],
            "AT": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "ok": [True, False],
        }
    )
    table = session.write_pandas(frame, "T", auto_create_table=True, use_logical_type=True)
    rows = [tuple(row) for row in table.sort("ID").collect()]
    assert [row[:2] for row in rows] == [(1, "a"), (2, None)]
    assert str(rows[0][2]) == "2024-01-01 00:00:00"
    assert session.create_dataframe(frame[["ID"]]).count() == 2


def test_an_error_from_another_process_keeps_its_words() -> None:
    assert str(UnsupportedError.of("the embedded warehouse does not support x; Snowflake does")).endswith(
        "the embedded warehouse does not support x; Snowflake does"
    )


def test_a_temporary_table_is_its_sessions_own(tmp_path: Path) -> None:
    with connect(tmp_path, "LOCAL") as mine, connect(tmp_path, "LOCAL") as other:
        mine.cursor().execute("CREATE TEMPORARY TABLE t AS SELECT 1 AS x")
        mine.cursor().execute("CREATE TEMPORARY VIEW v AS SELECT 2 AS x")
        mine.cursor().execute("ALTER TABLE t RENAME TO u")
        assert mine.cursor().execute("SELECT * FROM u, v").fetchall() == [(1, 2)]
        for statement in ("SELECT * FROM u", "SELECT * FROM v", "INSERT INTO u VALUES (2)", "DROP TABLE u"):
            with pytest.raises(ProgrammingError, match="does not exist or not authorized"):
                other.cursor().execute(statement)
        assert other.cursor().execute("SHOW TABLES").fetchall() == []
        assert other.cursor().execute("SELECT * FROM INFORMATION_SCHEMA.TABLES").fetchall() == []


def test_timestamps_inside_of_others_are_shown_as_a_variant_shows_them(
    session: Any, query: Any, tmp_path: Path
) -> None:
    import datetime as dt

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "o": pa.array(
                [{"at": dt.datetime(2017, 1, 1), "all": [dt.datetime(2018, 1, 1, 1, 2, 3, 456000)]}, None]
            )
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    query("CREATE STAGE st")
    query("CREATE FILE FORMAT pf TYPE = PARQUET")
    session.file.put(f"{tmp_path}/a.parquet", "@st", auto_compress=False)
    assert query("SELECT $1:o:at::VARCHAR, $1:o:all[0]::VARCHAR FROM @st/a.parquet (FILE_FORMAT => pf)") == [
        ("2017-01-01 00:00:00.000", "2018-01-01 01:02:03.456"),
        (None, None),
    ]


def test_the_text_of_a_view_with_comments_and_of_its_clone(query: Any) -> None:
    query("CREATE SCHEMA source")
    query("CREATE VIEW v (p COMMENT 'a (b', q) COMMENT = 'c' AS SELECT 1, ABS(2) FROM (SELECT 3)")
    expected = "create or replace view V(\n\tP COMMENT 'a (b',\n\tQ\n) COMMENT = 'c' AS SELECT 1, ABS(2) FROM (SELECT 3);"
    assert query("SELECT GET_DDL('VIEW', 'v')") == [(expected,)]
    query("CREATE SCHEMA cloned CLONE source")
    assert query("SELECT GET_DDL('VIEW', 'cloned.v')") == [(expected,)]
