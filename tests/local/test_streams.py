"""The rows that streams return, after the documentation.

https://docs.snowflake.com/en/user-guide/streams-intro
"""

from __future__ import annotations

import io
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml.local.catalog.stream_changes import Affected, tracked
from snowpipe_ml.local.statements import dml

_ROWS = "SELECT n, v, METADATA$ACTION, METADATA$ISUPDATE FROM {0} ORDER BY n, v, METADATA$ACTION"


@pytest.fixture
def table(query: Any) -> None:
    query("CREATE TABLE t (n INT, v VARCHAR)")
    query("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (2, 'b')")
    query("CREATE STREAM s ON TABLE t")
    query("CREATE STREAM added ON TABLE t APPEND_ONLY = TRUE")
    query("CREATE TABLE sink (n INT)")


def test_updates_are_told_from_deletes_and_inserts(query: Any, table: None) -> None:
    query("DELETE FROM t WHERE n = 1")
    query("INSERT INTO t VALUES (7, 'g')")
    query("UPDATE t SET v = 'c' WHERE n = 2")
    assert query(_ROWS.format("s")) == [
        (1, "a", "DELETE", False),
        (2, "b", "DELETE", True),
        (2, "b", "DELETE", True),
        (2, "c", "INSERT", True),
        (2, "c", "INSERT", True),
        (7, "g", "INSERT", False),
    ]
    assert query(_ROWS.format("added")) == [(7, "g", "INSERT", False)]


def test_net_change_of_a_row(query: Any, table: None) -> None:
    query("INSERT INTO t VALUES (8, 'h'), (9, 'i')")
    query("UPDATE t SET v = 'j' WHERE n = 9")
    query("DELETE FROM t WHERE n = 8")
    query("UPDATE t SET v = 'x' WHERE n = 1")
    query("UPDATE t SET v = 'y' WHERE n = 1")
    assert query(_ROWS.format("s")) == [
        (1, "a", "DELETE", True),
        (1, "y", "INSERT", True),
        (9, "j", "INSERT", False),
    ]
    query("DELETE FROM t WHERE n = 1")
    assert query(_ROWS.format("s"))[0] == (1, "a", "DELETE", False)


def test_an_append_only_stream_keeps_rows_that_are_deleted_later(query: Any, table: None) -> None:
    query("INSERT INTO t VALUES (8, 'h'), (9, 'i')")
    query("DELETE FROM t WHERE n > 1")
    query("TRUNCATE TABLE t")
    assert query(_ROWS.format("added")) == [(8, "h", "INSERT", False), (9, "i", "INSERT", False)]
    assert query("SELECT n FROM s ORDER BY n") == [(1,), (2,), (2,)]


def test_every_statement_that_changes_a_table(session: Any, query: Any, table: None) -> None:
    session.sql("CREATE STAGE files").collect()
    session.file.put_stream(io.BytesIO(b"5,e\n"), "@files/x.csv", auto_compress=False)
    query("COPY INTO t FROM @files")
    query(
        "MERGE INTO t USING (SELECT 1 AS n UNION ALL SELECT 6) x ON t.n = x.n "
        "WHEN MATCHED THEN UPDATE SET v = 'm' WHEN NOT MATCHED THEN INSERT (n, v) VALUES (x.n, 'f')"
    )
    session.create_dataframe([[10, "p"]], schema=["n", "v"]).write.save_as_table("t", mode="append")
    assert query(_ROWS.format("s")) == [
        (1, "a", "DELETE", True),
        (1, "m", "INSERT", True),
        (5, "e", "INSERT", False),
        (6, "f", "INSERT", False),
        (10, "p", "INSERT", False),
    ]
    assert query("SELECT n FROM added ORDER BY n") == [(5,), (6,), (10,)]
    query("INSERT INTO sink SELECT n FROM s")
    query("INSERT OVERWRITE INTO t SELECT 3, 'o'")
    assert query("SELECT METADATA$ACTION, COUNT(*) FROM s GROUP BY 1 ORDER BY 1") == [
        ("DELETE", 6),
        ("INSERT", 1),
    ]


@pytest.mark.parametrize(
    "consume",
    [
        "INSERT INTO sink SELECT n FROM s",
        "MERGE INTO sink USING s ON sink.n = s.n WHEN NOT MATCHED THEN INSERT (n) VALUES (s.n)",
        "CREATE TABLE made AS SELECT n FROM s",
        "CREATE TABLE made (n INT) AS SELECT n FROM s",
        "COPY INTO @~/out FROM (SELECT n FROM s)",
    ],
)
def test_statements_that_advance_a_stream(query: Any, table: None, consume: str) -> None:
    if "@~" in consume:
        query("CREATE STAGE out")
        consume = consume.replace("@~/out", "@out/x")
    query("INSERT INTO t VALUES (5, 'e')")
    query("SELECT * FROM s")
    assert query("SELECT SYSTEM$STREAM_HAS_DATA('s')") == [(True,)]
    query(consume)
    assert query("SELECT SYSTEM$STREAM_HAS_DATA('s')") == [(False,)]
    query("INSERT INTO t VALUES (6, 'f')")
    assert query("SELECT n FROM s") == [(6,)]


def test_a_stream_that_fills_its_own_table(query: Any, table: None) -> None:
    query("INSERT INTO t VALUES (5, 'e')")
    query("INSERT INTO t SELECT n + 10, v FROM s")
    assert query(_ROWS.format("s")) == [(15, "e", "INSERT", False)]


def test_a_transaction_reads_what_there_was_when_it_began(query: Any, table: None) -> None:
    query("INSERT INTO t VALUES (5, 'e')")
    query("BEGIN")
    query("INSERT INTO t VALUES (6, 'f')")
    query("UPDATE t SET v = 'z' WHERE n = 5")
    assert query("SELECT n, v FROM s") == [(5, "e")]
    query("INSERT INTO sink SELECT n FROM s")
    query("INSERT INTO sink SELECT n FROM s")
    query("DELETE FROM t WHERE n = 1")
    assert query("SELECT n FROM s") == [(5,)]
    query("COMMIT")
    assert query("SELECT n FROM sink") == [(5,), (5,)]
    assert query(_ROWS.format("s")) == [
        (1, "a", "DELETE", False),
        (5, "e", "DELETE", True),
        (5, "z", "INSERT", True),
        (6, "f", "INSERT", False),
    ]
    assert query("SELECT n FROM added ORDER BY n") == [(5,), (6,)]


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT"])
def test_a_transaction_that_does_not_consume(query: Any, table: None, end: str) -> None:
    query("BEGIN")
    query("INSERT INTO t VALUES (6, 'f')")
    assert query("SELECT n FROM s") == []
    query(end)
    assert query("SELECT n FROM s") == ([(6,)] if end == "COMMIT" else [])
    query("BEGIN")
    query("INSERT INTO t VALUES (7, 'g')")
    query("COMMIT")
    assert query("SELECT COUNT(*) FROM s") == [(2 if end == "COMMIT" else 1,)]


def test_initial_rows(query: Any, table: None) -> None:
    query("CREATE STREAM i ON TABLE t SHOW_INITIAL_ROWS = TRUE")
    query("UPDATE t SET v = 'q' WHERE n = 1")
    assert query(_ROWS.format("i"))[0] == (1, "q", "INSERT", False)
    assert query("SELECT COUNT(*) FROM i") == [(3,)]


def test_values_of_all_types_and_odd_names(query: Any) -> None:
    query('CREATE TABLE w (t INT, "a b" VARIANT, z TIMESTAMP_TZ, x BINARY, o OBJECT, p NUMBER(38, 3))')
    query("CREATE STREAM ws ON TABLE w")
    query("INSERT INTO w SELECT 1, PARSE_JSON('[1]'), '2024-01-01 00:00:00 +01:00', 'AB', NULL, 1.5")
    query("INSERT INTO w (t) VALUES (2)")
    query("UPDATE w SET p = 2, z = NULL WHERE t = 1")
    assert query("SELECT t, p, z, METADATA$ISUPDATE FROM ws ORDER BY t") == [
        (1, 2, None, False),
        (2, None, None, False),
    ]


def test_the_row_id_is_refused(query: Any, table: None) -> None:
    with pytest.raises(SnowparkSQLException, match="does not support METADATA.ROW_ID"):
        query("SELECT METADATA$ROW_ID FROM s")


_STATEMENT = st.one_of(
    st.tuples(st.just("INSERT INTO t SELECT {0}, '{1}'"), st.integers(0, 3), st.sampled_from("ab")),
    st.tuples(
        st.just("DELETE FROM t WHERE n = {0} AND v <> '{1}'"), st.integers(0, 3), st.sampled_from("ab")
    ),
    st.tuples(st.just("UPDATE t SET v = '{1}' WHERE n = {0}"), st.integers(0, 3), st.sampled_from("abc")),
    st.tuples(st.just("UPDATE t SET n = n + 1 WHERE n = {0}"), st.integers(0, 3), st.just("")),
    st.tuples(st.sampled_from(("BEGIN", "COMMIT", "ROLLBACK")), st.just(0), st.just("")),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_STATEMENT, max_size=12))
def test_a_stream_turns_the_old_rows_into_the_new_ones(
    query: Any, statements: list[tuple[str, int, str]]
) -> None:
    query(
        "CREATE OR REPLACE TABLE t AS SELECT 1 AS n, 'a' AS v UNION ALL SELECT 1, 'a' UNION ALL SELECT 2, 'b'"
    )
    query("CREATE OR REPLACE STREAM s ON TABLE t")
    rows = Counter(query("SELECT n, v FROM t"))
    for text, number, letter in statements:
        query(text.format(number, letter))
    query("COMMIT")
    updates: Counter[str] = Counter()
    for n, v, action, update in query("SELECT n, v, METADATA$ACTION, METADATA$ISUPDATE FROM s"):
        rows[n, v] += 1 if action == "INSERT" else -1
        updates[action] += update
    assert {row: count for row, count in rows.items() if count} == Counter(query("SELECT n, v FROM t"))
    assert updates["INSERT"] == updates["DELETE"]


def test_a_stream_follows_the_columns_of_its_table(query: Any) -> None:
    query("CREATE TABLE t (a INT, b VARCHAR)")
    query("CREATE STREAM s ON TABLE t")
    query("INSERT INTO t VALUES (1, 'x')")
    query("ALTER TABLE t ADD COLUMN c INT, d NUMBER(5, 2)")
    query("INSERT INTO t VALUES (2, 'y', 3, 1.5)")
    query("ALTER TABLE t RENAME COLUMN c TO e")
    query("ALTER TABLE t DROP COLUMN b")
    query("UPDATE t SET e = 7 WHERE a = 1")
    assert query("SELECT a, e, d, METADATA$ACTION FROM s ORDER BY a") == [
        (1, 7, None, "INSERT"),
        (2, 3, Decimal("1.50"), "INSERT"),
    ]
    query("CREATE TABLE u AS SELECT a FROM s")
    query("DELETE FROM t WHERE a = 1")
    assert query("SELECT a, e, METADATA$ACTION FROM s") == [(1, 7, "DELETE")]
    query("ALTER TABLE t ADD COLUMN f INT DEFAULT 5")
    with pytest.raises(SnowparkSQLException, match="does not support reading the stream S after this change"):
        query("SELECT * FROM s")


def test_a_stream_at_the_offset_of_another(query: Any, table: None) -> None:
    query("INSERT INTO t VALUES (7, 'g')")
    query("CREATE STREAM again ON TABLE t AT (STREAM => 's')")
    query("INSERT INTO sink SELECT n FROM s")
    query("UPDATE t SET v = 'h' WHERE n = 7")
    assert query(_ROWS.format("again")) == [(7, "h", "INSERT", False)]
    query("CREATE OR REPLACE STREAM again ON TABLE t AT (STREAM => 'again')")
    assert query("SELECT n FROM again") == [(7,)]
    query("CREATE OR REPLACE STREAM again ON TABLE t AT (STREAM => 's')")
    assert query(_ROWS.format("again")) == [(7, "g", "DELETE", True), (7, "h", "INSERT", True)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ON TABLE t AT (STREAM => 'added')", "a stream of another mode"),
        ("ON TABLE sink AT (STREAM => 's')", "a stream on another object"),
        ("ON TABLE t AT (STREAM => 'initial')", "whose initial rows are not consumed"),
        ("ON TABLE t AT (STREAM => 'nothing')", "Stream 'LOCAL.PUBLIC.NOTHING' does not exist"),
        ("ON TABLE t BEFORE (STREAM => 's')", r"BEFORE \(STREAM => ...\) of a stream"),
        ("ON TABLE t AT (OFFSET => -60)", r"AT \(OFFSET => ...\) of a stream"),
        ("ON TABLE t AT (STREAM => 's') SHOW_INITIAL_ROWS = TRUE", "SHOW_INITIAL_ROWS of a stream with AT"),
    ],
)
def test_offsets_that_are_refused(query: Any, table: None, text: str, told: str) -> None:
    query("CREATE STREAM initial ON TABLE t SHOW_INITIAL_ROWS = TRUE")
    with pytest.raises(SnowparkSQLException, match=told):
        query(f"CREATE STREAM x {text}")


def test_the_comment_of_a_stream(query: Any, table: None) -> None:
    query("CREATE OR REPLACE STREAM s ON TABLE t COMMENT = 'one'")

    def comment() -> str:
        return str(query("DESCRIBE STREAM s")[0][5])

    assert comment() == "one"
    query("ALTER STREAM s SET COMMENT = 'two'")
    assert comment() == "two"
    query("COMMENT ON STREAM s IS 'three'")
    assert comment() == "three"
    query("ALTER STREAM s UNSET COMMENT")
    assert comment() == ""
    query("ALTER STREAM IF EXISTS nothing SET COMMENT = 'x'")
    with pytest.raises(SnowparkSQLException, match="Stream 'LOCAL.PUBLIC.NOTHING' does not exist"):
        query("ALTER STREAM nothing SET COMMENT = 'x'")
    with pytest.raises(SnowparkSQLException, match="invalid property 'APPEND_ONLY' for 'STREAM'"):
        query("ALTER STREAM s SET APPEND_ONLY = TRUE")


def test_a_stream_on_a_replaced_table_is_stale(query: Any, table: None) -> None:
    def stale() -> dict[str, str]:
        return {row[1]: row[10] for row in query("SHOW STREAMS")}

    assert stale() == {"S": "false", "ADDED": "false"}
    query("CREATE OR REPLACE TABLE t (n INT, v VARCHAR)")
    assert stale() == {"S": "true", "ADDED": "true"}
    with pytest.raises(SnowparkSQLException, match="cannot read from the stream 'S'"):
        query("SELECT * FROM s")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE t SET v = 'z' FROM u WHERE t.n = u.n",
        "UPDATE t SET a = ARRAY_CONSTRUCT(9) WHERE n IN (SELECT n FROM u)",
        "UPDATE t SET j = PARSE_JSON('{\"x\": 1}'), v = 'z' WHERE n < 3",
        "UPDATE t SET n = n + 1, a = ARRAY_CONSTRUCT(n), v = 'q', j = NULL",
        "DELETE FROM t USING u WHERE t.n = u.n",
        "DELETE FROM t WHERE n IN (SELECT n FROM u ORDER BY n LIMIT 1)",
        "UPDATE t SET v = 'z' WHERE n >= 1 + ABS(RANDOM()) % 3",
        "UPDATE t SET v = 'z' WHERE twice(n) = 4",
        "MERGE INTO t USING u ON t.n = u.n WHEN MATCHED THEN UPDATE SET a = ARRAY_CONSTRUCT(u.n), v = 'm' "
        "WHEN NOT MATCHED THEN INSERT (n, v) VALUES (u.n, 'i')",
        "MERGE INTO t USING (SELECT * FROM u) AS u ON t.n = u.n WHEN MATCHED AND t.n = 2 THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET j = TO_VARIANT(5) WHEN NOT MATCHED THEN INSERT (n, v) VALUES (u.n, 'i')",
        "MERGE INTO t USING u ON t.n = u.n WHEN NOT MATCHED THEN INSERT (n, v) VALUES (u.n, 'i')",
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_each_kind_of_change(query: Any, statement: str, inside: bool) -> None:
    query("CREATE TABLE t (n INT, v VARCHAR, a ARRAY, j VARIANT)")
    query(
        "INSERT INTO t SELECT column1, column2, ARRAY_CONSTRUCT(1), TO_VARIANT(column1) "
        "FROM VALUES (1, 'a'), (2, 'b'), (2, 'b'), (3, 'c'), (NULL, NULL)"
    )
    query("CREATE TABLE u AS SELECT column1 AS n FROM VALUES (2), (3), (9)")
    query("CREATE FUNCTION twice(n INT) RETURNS INT AS 'n * 2'") if "twice" in statement else None
    query("CREATE STREAM s ON TABLE t")
    if inside:
        query("BEGIN")
        query("INSERT INTO t (n, v) VALUES (2, 'new')")
    columns = "n, v, TO_JSON(a) AS a, TO_JSON(j) AS j"
    old = Counter(query(f"SELECT {columns} FROM t"))
    changed = sum(query(statement)[0])
    if inside:
        query("COMMIT")
        old[(2, "new", None, None)] -= 1
    assert changed > 0 or "RANDOM" in statement
    new = Counter(query(f"SELECT {columns} FROM t"))
    updates: Counter[str] = Counter()
    for *row, action, update in query(f"SELECT {columns}, METADATA$ACTION, METADATA$ISUPDATE FROM s"):
        old[tuple(row)] += 1 if action == "INSERT" else -1
        updates[action] += update
    assert +old == new
    assert updates["INSERT"] == updates["DELETE"]
    if statement.startswith("UPDATE") and not inside:
        assert updates["INSERT"] == changed


def test_the_changes_of_few_rows_are_found_without_reading_the_others(
    query: Any, table: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Affected] = []

    def noted(session: Any, name: Any, affected: Affected) -> Any:
        found.append(affected)
        return tracked(session, name, affected)

    monkeypatch.setattr(dml, "tracked", noted)
    query("UPDATE t SET v = 'z' WHERE n = 1")
    query("DELETE FROM t WHERE n = 2")
    query("MERGE INTO t USING sink ON t.n = sink.n WHEN MATCHED THEN DELETE")
    query("MERGE INTO t USING sink ON t.n = sink.n WHEN NOT MATCHED THEN INSERT (n) VALUES (sink.n)")
    query("INSERT INTO t SELECT 1, 'a'")
    assert [affected.old is not None for affected in found] == [True] * 5
    query("DELETE FROM t WHERE n IN (SELECT n FROM sink LIMIT 1)")
    assert found[-1].old is None


VIEWS = {
    "filtered": "SELECT * FROM a WHERE n > 1",
    "united": "SELECT n, v AS x FROM a UNION ALL SELECT n + 1, w FROM (SELECT * FROM b WHERE w <> 'q') z",
    "joined": "SELECT a.n, UPPER(v) AS v, w FROM a JOIN b ON a.n = b.n WHERE w > 'a'",
    "crossed": "SELECT l.n, r.w FROM a AS l, b AS r WHERE l.n <= r.n",
    "nested": "WITH c AS (SELECT n, v FROM filtered) SELECT n * 2 AS m, v FROM c",
}


@pytest.fixture
def views(query: Any) -> None:
    query("CREATE TABLE a (n INT, v VARCHAR)")
    query("CREATE TABLE b (n INT, w VARCHAR)")
    query("INSERT INTO a VALUES (1, 'a'), (2, 'b'), (2, 'b')")
    query("INSERT INTO b VALUES (1, 'x'), (2, 'y')")
    for name, text in VIEWS.items():
        query(f"CREATE VIEW {name} AS {text}")
        query(f"CREATE STREAM s_{name} ON VIEW {name}")


def test_streams_on_views(query: Any, views: None) -> None:
    query("UPDATE a SET v = 'c' WHERE n = 2")
    query("DELETE FROM a WHERE n = 1")
    query("INSERT INTO a VALUES (2, 'n'), (0, 'z')")
    query("UPDATE b SET w = 'yy' WHERE n = 2")
    rows = "SELECT * EXCLUDE (METADATA$ROW_ID) FROM s_{0} ORDER BY ALL"
    assert query(rows.format("filtered")) == [
        *[(2, "b", "DELETE", True)] * 2,
        *[(2, "c", "INSERT", True)] * 2,
        (2, "n", "INSERT", False),
    ]
    assert query(rows.format("joined")) == [
        (1, "A", "x", "DELETE", False),
        *[(2, "B", "y", "DELETE", True)] * 2,
        *[(2, "C", "yy", "INSERT", True)] * 2,
        (2, "N", "yy", "INSERT", False),
    ]
    assert query("SELECT SYSTEM$STREAM_HAS_DATA('s_joined'), SYSTEM$STREAM_HAS_DATA('s_filtered')") == [
        (True, True)
    ]
    query("CREATE TABLE sink AS SELECT n FROM s_joined")
    assert query("SELECT SYSTEM$STREAM_HAS_DATA('s_joined'), SYSTEM$STREAM_HAS_DATA('s_filtered')") == [
        (False, True)
    ]
    query("INSERT INTO a VALUES (2, 'more')")
    assert query("SELECT v, w FROM s_joined") == [("MORE", "yy")]


_CHANGES = (
    "INSERT INTO {t} SELECT {n}, '{v}'",
    "DELETE FROM {t} WHERE n = {n}",
    "UPDATE {t} SET {c} = '{v}' WHERE n = {n}",
    "UPDATE {t} SET n = n + 1 WHERE n = {n}",
)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.stress) for seed in range(1, 10))]
)
def test_a_stream_on_a_view_turns_its_old_rows_into_the_new_ones(query: Any, views: None, seed: int) -> None:
    chance = random.Random(seed)
    old = {name: Counter(query(f"SELECT * FROM {name}")) for name in VIEWS}
    for _ in range(10):
        table = chance.choice("ab")
        change = chance.choice(_CHANGES)
        query(
            change.format(
                t=table, c={"a": "v", "b": "w"}[table], n=chance.randint(0, 3), v=chance.choice("pq")
            )
        )
    for name, rows in old.items():
        updates: Counter[str] = Counter()
        for *row, action, update in query(f"SELECT * EXCLUDE (METADATA$ROW_ID) FROM s_{name}"):
            rows[tuple(row)] += 1 if action == "INSERT" else -1
            updates[action] += update
        assert {row: n for row, n in rows.items() if n} == Counter(query(f"SELECT * FROM {name}")), name
        assert updates["INSERT"] == updates["DELETE"]


def test_the_modes_of_streams_on_views(query: Any, views: None) -> None:
    query("CREATE STREAM added ON VIEW joined APPEND_ONLY = TRUE")
    query("CREATE STREAM initial ON VIEW joined SHOW_INITIAL_ROWS = TRUE")
    query("INSERT INTO a VALUES (1, 'new')")
    query("DELETE FROM a WHERE v <> 'new'")
    assert query("SELECT v, METADATA$ACTION FROM added") == [("NEW", "INSERT")]
    assert query("SELECT n, v, METADATA$ACTION FROM initial") == [(1, "NEW", "INSERT")]
    query("BEGIN")
    query("INSERT INTO a VALUES (1, 'late')")
    assert query("SELECT v FROM added") == [("NEW",)]
    query("DELETE FROM b WHERE 'X' IN (SELECT v FROM added)")
    query("COMMIT")
    assert query("SELECT v FROM added") == [("LATE",)]
    shown = {row[1]: row[6:13] for row in query("SHOW STREAMS") if row[1] in ("ADDED", "S_NESTED")}
    assert shown["ADDED"][:3] == ("LOCAL.PUBLIC.JOINED", "View", "LOCAL.PUBLIC.A, LOCAL.PUBLIC.B")
    assert shown["ADDED"][5] == "APPEND_ONLY"
    assert shown["S_NESTED"][2] == "LOCAL.PUBLIC.A"
    query("CREATE OR REPLACE VIEW joined AS SELECT 1 AS x")
    assert [row[10] for row in query("SHOW STREAMS LIKE 'added'")] == ["true"]
    with pytest.raises(SnowparkSQLException, match="Base table 'LOCAL.PUBLIC.JOINED' dropped"):
        query("SELECT * FROM added")
    query("DROP TABLE b")
    assert [row[10] for row in query("SHOW STREAMS LIKE 's_crossed'")] == ["true"]
    query("DROP STREAM s_crossed")
    assert query("SHOW STREAMS LIKE 's_crossed'") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT COUNT(*) AS c FROM t", "Change tracking is not supported on queries with 'AGGREGATE'"),
        ("SELECT n FROM t GROUP BY n", "'GROUP BY'"),
        ("SELECT DISTINCT n FROM t", "'DISTINCT'"),
        ("SELECT n FROM t LIMIT 1", "'LIMIT'"),
        ("SELECT n FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY n) = 1", "'(QUALIFY|WINDOW)'"),
        ("SELECT n FROM t WHERE n IN (SELECT n FROM sink)", "'SUBQUERY'"),
        ("SELECT n FROM t UNION SELECT n FROM sink", "'UNION'"),
        ("SELECT n FROM t EXCEPT SELECT n FROM sink", "'EXCEPT'"),
        (
            "SELECT t.n FROM t LEFT JOIN sink ON t.n = sink.n",
            "does not support a stream on a view with a LEFT join",
        ),
        (
            "SELECT f.value FROM t, LATERAL FLATTEN(ARRAY_CONSTRUCT(n)) f",
            "a stream on a view with a table function",
        ),
        ("SELECT 1 AS x", "a stream on a view with no table"),
    ],
)
def test_views_that_have_no_stream(query: Any, table: None, text: str, told: str) -> None:
    query(f"CREATE VIEW w AS {text}")
    with pytest.raises(SnowparkSQLException, match=told):
        query("CREATE STREAM x ON VIEW w")
    assert [row[1] for row in query("SHOW STREAMS")] == ["ADDED", "S"]


def test_streams_on_stages(session: Any, query: Any) -> None:
    query("CREATE STAGE files DIRECTORY = (ENABLE = TRUE)")
    query("CREATE STREAM arrived ON STAGE files COMMENT = 'new files'")

    def put(name: str, text: bytes) -> None:
        session.file.put_stream(io.BytesIO(text), f"@files/{name}", auto_compress=False, overwrite=True)

    put("a.csv", b"1")
    put("b/c.csv", b"22")
    assert query("SELECT * FROM DIRECTORY(@files)") == []  # not refreshed yet, as on Snowflake
    assert query("ALTER STAGE files REFRESH SUBPATH = 'b/'") == [
        ("b/c.csv", "REGISTERED_NEW", "File registered successfully.")
    ]
    assert query("SELECT RELATIVE_PATH, SIZE, METADATA$ACTION FROM arrived") == [("b/c.csv", 2, "INSERT")]
    query("CREATE TABLE seen AS SELECT RELATIVE_PATH FROM arrived")
    put("b/c.csv", b"333")
    assert query("ALTER STAGE files REFRESH") == [
        ("a.csv", "REGISTERED_NEW", "File registered successfully."),
        ("b/c.csv", "REGISTERED_UPDATE", "File registered successfully."),
    ]
    query("REMOVE @files/a.csv")
    assert query("ALTER STAGE files REFRESH") == [
        ("a.csv", "UNREGISTERED", "File unregistered successfully.")
    ]
    assert query(
        "SELECT RELATIVE_PATH, SIZE, METADATA$ACTION, METADATA$ISUPDATE FROM arrived ORDER BY 2"
    ) == [
        ("b/c.csv", 2, "DELETE", True),
        ("b/c.csv", 3, "INSERT", True),
    ]
    shown = query("DESCRIBE STREAM arrived")[0]
    assert shown[5:9] == ("new files", "LOCAL.PUBLIC.FILES", "Stage", "LOCAL.PUBLIC.FILES")
    with pytest.raises(SnowparkSQLException, match="invalid property 'APPEND_ONLY'"):
        query("CREATE STREAM x ON STAGE files APPEND_ONLY = TRUE")
    query("CREATE STAGE bare")
    with pytest.raises(SnowparkSQLException, match="has no directory table"):
        query("CREATE STREAM x ON STAGE bare")
    with pytest.raises(SnowparkSQLException, match="has no directory table"):
        query("ALTER STAGE bare REFRESH")
    query("ALTER STAGE bare SET DIRECTORY = (ENABLE = TRUE)")
    assert query("ALTER STAGE bare REFRESH") == []
    query("DROP STAGE files")
    assert [row[10] for row in query("SHOW STREAMS")] == ["true"]


def test_expressions_have_the_types_of_the_columns(session: Any, query: Any) -> None:
    session.sql("CREATE TABLE typed (n NUMBER(10, 2), m INT, at TIMESTAMP_NTZ, d DATE)").collect()
    session.sql("CREATE STREAM changed ON TABLE typed").collect()
    session.sql("INSERT INTO typed VALUES (1.5, 7, '2024-01-02 03:04:05', '2024-01-31')").collect()
    expressions = "CONCAT(at, ''), m / 2, n * n, DATEADD(month, 1, d)::VARCHAR, CONCAT(d, m)"
    of_table = query(f"SELECT {expressions} FROM typed")
    assert query(f"SELECT {expressions} FROM changed") == of_table
    assert query(f"SELECT {expressions} FROM (SELECT * FROM changed) c") == of_table
