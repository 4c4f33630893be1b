from __future__ import annotations

from typing import Any

import pytest
from snowflake.connector.errors import IntegrityError
from snowflake.snowpark.exceptions import SnowparkSQLException


def test_dml_counts(query: Any) -> None:
    query("CREATE TABLE t (id INT, name VARCHAR(3))")
    assert query("INSERT INTO t VALUES (1, 'a'), (2, 'b')") == [(2,)]
    assert query("UPDATE t SET name = 'c' WHERE id = 2") == [(1, 0)]
    assert query("DELETE FROM t WHERE id = 1") == [(1,)]
    merge = (
        "MERGE INTO t USING (SELECT 2 AS id UNION ALL SELECT 3) s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET name = 'm' WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'n')"
    )
    assert query(merge) == [(1, 1)]
    assert query("SELECT * FROM t ORDER BY id") == [(2, "m"), (3, "n")]


def test_too_long_a_text_is_refused(query: Any) -> None:
    query("CREATE TABLE t (name VARCHAR(3))")
    with pytest.raises(SnowparkSQLException, match="too long|String|length"):
        query("INSERT INTO t VALUES ('abcd')")
    assert query("SELECT COUNT(*) FROM t") == [(0,)]


def test_insert_overwrite_may_read_its_own_table(query: Any) -> None:
    query("CREATE TABLE t AS SELECT 1 AS a UNION ALL SELECT 2")
    query("INSERT OVERWRITE INTO t SELECT a + 10 FROM t WHERE a = 2")
    assert query("SELECT * FROM t") == [(12,)]


def test_a_failed_overwrite_changes_nothing(query: Any) -> None:
    query("CREATE TABLE t (a INT NOT NULL)")
    query("INSERT INTO t VALUES (1)")
    with pytest.raises(IntegrityError, match="non-nullable column"):
        query("INSERT OVERWRITE INTO t SELECT NULL")
    assert query("SELECT * FROM t") == [(1,)]


def test_clone_keeps_tags_and_is_its_own_table(query: Any) -> None:
    query("CREATE TABLE t AS SELECT 1 AS a")
    query("CREATE TAG model_id")
    query("ALTER TABLE t SET TAG model_id = 'M1'")
    query("CREATE TABLE c CLONE t")
    query("INSERT INTO t VALUES (2)")
    assert query("SELECT COUNT(*) FROM c") == [(1,)]
    assert query("SELECT SYSTEM$GET_TAG('model_id', 'c', 'table')") == [("M1",)]
    found = query("SELECT TAG_NAME, TAG_VALUE FROM TABLE(INFORMATION_SCHEMA.TAG_REFERENCES('t', 'table'))")
    assert found == [("MODEL_ID", "M1")]
    query("CREATE OR REPLACE TABLE t AS SELECT 1 AS a")
    assert query("SELECT SYSTEM$GET_TAG('model_id', 't', 'table')") == [(None,)]


def test_a_tag_must_exist(query: Any) -> None:
    query("CREATE TABLE t (a INT)")
    with pytest.raises(SnowparkSQLException, match="Tag 'LOCAL.PUBLIC.NOPE' does not exist"):
        query("ALTER TABLE t SET TAG nope = 'x'")


def test_ddl_commits_an_open_transaction(query: Any) -> None:
    query("CREATE TABLE t (a INT)")
    query("BEGIN")
    query("INSERT INTO t VALUES (1)")
    query("CREATE TABLE u (a INT)")
    query("ROLLBACK")
    assert query("SELECT COUNT(*) FROM t") == [(1,)]
    query("BEGIN")
    query("INSERT INTO t VALUES (2)")
    query("ROLLBACK")
    assert query("SELECT COUNT(*) FROM t") == [(1,)]


def test_views_follow_their_tables(query: Any) -> None:
    query("CREATE TABLE t AS SELECT 1 AS a")
    query("CREATE VIEW v (x) AS SELECT a / 4 FROM t")
    query("INSERT INTO t VALUES (2)")
    assert [float(x) for (x,) in query("SELECT x FROM v ORDER BY x")] == [0.25, 0.5]
    with pytest.raises(SnowparkSQLException, match="is a VIEW"):
        query("CREATE OR REPLACE TABLE v AS SELECT 1 AS a")


def test_quoted_names_keep_their_case(query: Any, session: Any) -> None:
    query('CREATE TABLE "my table" ("Mixed" INT)')
    query('INSERT INTO "my table" VALUES (1)')
    assert session.table('"my table"').columns == ['"Mixed"']
    assert [row[0] for row in query("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES")] == ["my table"]


def test_snowpark_writes_tables(session: Any, query: Any) -> None:
    frame = session.create_dataframe([[i, f"n{i}"] for i in range(600)], schema=["a", "b"])
    frame.write.save_as_table("big", mode="overwrite")
    frame.limit(5).write.save_as_table("big", mode="append")
    assert query("SELECT COUNT(*), MAX(a) FROM big") == [(605, 599)]
    assert session.table("big").filter("a = 3").select("b").distinct().collect()[0][0] == "n3"


def test_temporary_tables_end_with_the_session(tmp_path: Any) -> None:
    import snowpipe_ml

    first = snowpipe_ml.local_session(tmp_path)
    second = snowpipe_ml.local_session(tmp_path)
    first.sql("CREATE TEMPORARY TABLE t AS SELECT 1 AS a").collect()
    first.sql("CREATE TABLE p AS SELECT 1 AS a").collect()
    first.close()
    names = [row["name"] for row in second.sql("SHOW TABLES").collect()]
    second.close()
    assert names == ["P"]


def test_warehouses_are_kept_and_shown(query: Any, session: Any) -> None:
    query(
        "CREATE OR ALTER WAREHOUSE w WITH WAREHOUSE_SIZE = 'LARGE' WAREHOUSE_TYPE = 'SNOWPARK-OPTIMIZED' AUTO_SUSPEND = 60"
    )
    row = session.sql("SHOW WAREHOUSES LIKE 'w'").collect()[0]
    assert (row["name"], row["size"], row["type"], row["auto_suspend"]) == (
        "W",
        "Large",
        "SNOWPARK-OPTIMIZED",
        60,
    )
    assert query("SELECT CURRENT_WAREHOUSE()") == [("W",)]


def test_the_last_change_of_a_table_is_known(query: Any) -> None:
    def changed() -> list[int]:
        return [query(f"SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME('{name}')")[0][0] for name in ("T", "V", "W")]

    query("CREATE TABLE T (A INT)")
    query("CREATE VIEW V AS SELECT A FROM T")
    query("CREATE VIEW W AS SELECT * FROM V")
    before = changed()
    query("SELECT * FROM T")
    query("ALTER TABLE T SET COMMENT = 'x'")
    assert changed() == before
    for statement in (
        "INSERT INTO T VALUES (1)",
        "UPDATE T SET A = 2",
        "DELETE FROM T",
        "INSERT OVERWRITE INTO T SELECT 5",
        "MERGE INTO T USING (SELECT 1 AS A) S ON S.A = T.A WHEN NOT MATCHED THEN INSERT VALUES (S.A)",
        "TRUNCATE TABLE T",
        "ALTER TABLE T ADD COLUMN B INT",
        "CREATE OR REPLACE TABLE T AS SELECT 1 AS A",
    ):
        query(statement)
        assert all(new > old for new, old in zip(changed(), before, strict=True)), statement
        before = changed()
    query("BEGIN")
    query("INSERT INTO T VALUES (1)")
    query("ROLLBACK")
    assert changed() == before
    with pytest.raises(Exception, match="does not exist"):
        query("SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME('NOPE')")


@pytest.mark.parametrize("name", ["t", '"a(b"', '"a""(.b"'])
def test_a_longer_text_keeps_all_else_of_its_table(query: Any, name: str) -> None:
    query(f"CREATE TABLE {name} (n INT DEFAULT 7 NOT NULL, s VARCHAR(3)) COMMENT = 'it''s'")
    query(f"INSERT INTO {name} (s) VALUES ('abc')")
    query(f"ALTER TABLE {name} ALTER COLUMN s SET DATA TYPE VARCHAR(5)")
    query(f"INSERT INTO {name} (s) VALUES ('abcde')")
    assert query(f"SELECT * FROM {name} ORDER BY s") == [(7, "abc"), (7, "abcde")]
    with pytest.raises(SnowparkSQLException, match="too long"):
        query(f"INSERT INTO {name} (s) VALUES ('abcdef')")
    assert query("SELECT COMMENT FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'PUBLIC'") == [("it's",)]
    assert "VARCHAR(5)" in query(f"DESCRIBE TABLE {name}")[1]


def test_a_bracket_in_the_name_of_a_table_is_none_of_its_columns(query: Any) -> None:
    query('CREATE TABLE "a(b" (n INT, s VARCHAR(3))')
    query("""INSERT INTO "a(b" VALUES (1, 'x')""")
    query('CREATE TABLE "c(d" LIKE "a(b"')
    query('CREATE TABLE e CLONE "a(b"')
    assert query('SELECT * FROM "c(d"') == []
    assert query("SELECT * FROM e") == [(1, "x")]
    query("CREATE SCHEMA twin CLONE PUBLIC")
    assert query('SELECT * FROM twin."a(b"') == [(1, "x")]


def test_a_temporary_table_hides_a_permanent_one_of_its_name(query: Any) -> None:
    query("CREATE TABLE t (a INT, b VARCHAR)")
    query("INSERT INTO t VALUES (1, 'permanent')")
    query("CREATE TEMPORARY TABLE t (a INT, c VARCHAR)")
    query("INSERT INTO t VALUES (2, 'temporary')")
    query("UPDATE t SET t.a = 3 WHERE t.c = 'temporary'")
    assert query("SELECT t.a, t.c FROM t") == [(3, "temporary")]
    assert [row[1] for row in query("SHOW TABLES")] == ["T"]
    assert query("CREATE OR REPLACE TEMPORARY TABLE t AS SELECT 5 AS z") == [
        ("Table T successfully created.",)
    ]
    assert query("DROP TABLE t") == [("T successfully dropped.",)]
    assert query("SELECT * FROM t") == [(1, "permanent")]


def test_a_declared_length_is_kept_by_create_table_as(query: Any) -> None:
    query("CREATE TABLE t (b VARCHAR(3)) AS SELECT 'abc'")
    assert query("DESCRIBE TABLE t")[0][:2] == ("B", "VARCHAR(3)")
    with pytest.raises(SnowparkSQLException, match="100078"):
        query("CREATE TABLE u (b VARCHAR(3)) AS SELECT 'abcd'")
    query("CREATE TABLE v AS SELECT 'abc' AS x, b FROM t")
    assert [row[1] for row in query("DESCRIBE TABLE v")] == ["VARCHAR(3)", "VARCHAR(3)"]


def test_get_ddl_keeps_keys_comments_and_defaults(query: Any) -> None:
    query(
        "CREATE TABLE t (id INT COMMENT 'the key', b VARCHAR(5) DEFAULT 'x', c INT UNIQUE, PRIMARY KEY (id)) "
        "COMMENT = 'things'"
    )
    ddl = (
        "create or replace TABLE T (\n\tID NUMBER(38,0) NOT NULL COMMENT 'the key',\n\tB VARCHAR(5) DEFAULT 'x',\n"
        "\tC NUMBER(38,0),\n\tunique (C),\n\tprimary key (ID)\n)COMMENT='things'\n;"
    )
    assert query("SELECT GET_DDL('TABLE', 't')") == [(ddl,)]
    query("CREATE TABLE u LIKE t")
    assert query("SELECT GET_DDL('TABLE', 'u')")[0][0].count("COMMENT 'the key'") == 1


def test_alter_column(query: Any) -> None:
    query("CREATE TABLE t (a INT NOT NULL, b VARCHAR(5) DEFAULT 'x')")
    for change in (
        "ALTER COLUMN a DROP NOT NULL",
        "ALTER COLUMN b DROP DEFAULT",
        "ALTER COLUMN b SET DATA TYPE VARCHAR(9)",
        "ALTER COLUMN b COMMENT 'note'",
        "ADD COLUMN c VARCHAR(2) NOT NULL DEFAULT 'y'",
    ):
        query(f"ALTER TABLE t {change}")
    assert [(row[0], row[1], row[3], row[4], row[9]) for row in query("DESCRIBE TABLE t")] == [
        ("A", "NUMBER(38,0)", "Y", None, None),
        ("B", "VARCHAR(9)", "Y", None, "note"),
        ("C", "VARCHAR(2)", "N", "'y'", None),
    ]
    with pytest.raises(SnowparkSQLException, match="000904"):
        query("ALTER TABLE t ALTER COLUMN nothing DROP NOT NULL")


def test_a_default_has_the_type_of_its_column(query: Any) -> None:
    with pytest.raises(SnowparkSQLException, match="002023"):
        query("CREATE TABLE t (a INT DEFAULT 'abc')")


def test_a_replaced_table_makes_its_stream_stale(query: Any) -> None:
    query("CREATE TABLE t (a INT)")
    query("CREATE STREAM s ON TABLE t")
    query("CREATE OR REPLACE TABLE t (a INT)")
    with pytest.raises(SnowparkSQLException, match="Base table .* dropped"):
        query("SELECT * FROM s")


def test_a_transaction_reads_a_stream_repeatedly(query: Any) -> None:
    for statement in (
        "CREATE TABLE t (a INT)",
        "CREATE TABLE first (a INT)",
        "CREATE TABLE second (a INT)",
        "CREATE STREAM s ON TABLE t",
        "INSERT INTO t VALUES (1), (2)",
        "BEGIN",
        "INSERT INTO first SELECT a FROM s",
        "INSERT INTO second SELECT a FROM s",
        "INSERT INTO t VALUES (3)",
    ):
        query(statement)
    assert query("SELECT COUNT(*) FROM s") == [(2,)]
    query("COMMIT")
    assert query("SELECT a FROM s") == [(3,)]
    assert query("SELECT COUNT(*) FROM second") == [(2,)]
    for statement in ("BEGIN", "INSERT INTO first SELECT a FROM s", "ROLLBACK"):
        query(statement)
    assert query("SELECT a FROM s") == [(3,)]
