"""Schemas with everything in them: dropped, replaced, cloned, described and printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError
from snowflake.snowpark import Session
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml.local.statements import clones, databases

FULL = """\
CREATE SCHEMA {0}
CREATE TABLE T (A NUMBER, B VARCHAR)
INSERT INTO T VALUES (1, 'one')
CREATE STREAM CHANGES ON TABLE T
CREATE STAGE FILES
CREATE FILE FORMAT LINES TYPE = CSV
CREATE TAG OWNER
ALTER TABLE T SET TAG OWNER = 'me'
CREATE VIEW V (X, Y) AS SELECT A, B FROM T
CREATE SEQUENCE S
CREATE TASK NIGHTLY SCHEDULE = '60 MINUTES' AS INSERT INTO T VALUES (9, 'nine')
CREATE FUNCTION PLUS_ONE (A NUMBER) RETURNS NUMBER AS 'A + 1'
INSERT INTO T VALUES (2, 'two')"""


def fill(session: Session, schema: str) -> None:
    for text in FULL.format(schema).splitlines():
        session.sql(text).collect()


def rows(session: Session, text: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in session.sql(text).collect()]


@pytest.mark.parametrize("replace", [False, True])
def test_nothing_of_a_dropped_schema_comes_back(session: Session, replace: bool) -> None:
    fill(session, "OLD")
    if replace:
        session.sql("CREATE OR REPLACE SCHEMA OLD").collect()
    else:
        session.sql("DROP SCHEMA OLD").collect()
    # Each statement would fail if something of the name were left.
    for number, text in enumerate(FULL.format("OLD").splitlines()):
        if number or not replace:
            session.sql(text).collect()
    assert rows(session, "SELECT A, METADATA$ACTION FROM CHANGES") == [(2, "INSERT")]
    database = session.get_current_database()
    kept = session.connection.session.duck.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'STREAM\\_%' ESCAPE '\\'"
    ).fetchone()
    assert kept == (1,), database


def test_a_schema_is_dropped_with_its_notes_or_not_at_all(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(session, "OLD")

    def fail(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(databases, "drop_objects", fail)
        with pytest.raises(SnowparkSQLException, match="RuntimeError: killed"):
            session.sql("DROP SCHEMA OLD").collect()
    assert rows(session, "SELECT COUNT(*) FROM OLD.T") == [(2,)]
    assert rows(session, "SELECT COUNT(*) FROM OLD.CHANGES") == [(1,)]


def test_a_clone_has_everything(session: Session) -> None:
    fill(session, "SOURCE")
    session.sql("CREATE SCHEMA COPY CLONE SOURCE").collect()
    assert rows(session, "SELECT X, Y FROM V ORDER BY X") == [(1, "one"), (2, "two")]
    assert rows(session, "SELECT PLUS_ONE(1)") == [(2,)]
    # What the original stream has not returned yet is not in the clone.
    assert rows(session, "SELECT A FROM CHANGES") == []
    session.sql("INSERT INTO T VALUES (3, 'three')").collect()
    assert rows(session, "SELECT A FROM COPY.CHANGES") == [(3,)]
    assert rows(session, "SELECT A FROM SOURCE.CHANGES") == [(2,)]
    tasks = session.sql("SHOW TASKS IN SCHEMA COPY").collect()
    assert [(task["name"], task["state"]) for task in tasks] == [("NIGHTLY", "suspended")]


@pytest.mark.parametrize("name", ['"a(b"', '"a AS (b"', '"TABLE x.y"'])
def test_names_may_hold_any_text(session: Session, name: str) -> None:
    session.sql(f"CREATE TABLE {name} (X NUMBER, Y VARCHAR(9) DEFAULT ' AS (')").collect()
    session.sql(f"INSERT INTO {name} (X) VALUES (1)").collect()
    session.sql(f"CREATE VIEW V (P, Q) AS SELECT X, Y FROM {name}").collect()
    session.sql(f"CREATE TABLE COPIED CLONE {name}").collect()
    session.sql(f"CREATE TABLE ALIKE LIKE {name}").collect()
    session.sql("INSERT INTO ALIKE (X) VALUES (2)").collect()
    assert rows(session, "SELECT * FROM COPIED UNION ALL SELECT * FROM ALIKE ORDER BY X") == [
        (1, " AS ("),
        (2, " AS ("),
    ]
    session.sql(f"CREATE SCHEMA OTHER CLONE {session.get_current_schema()}").collect()
    assert rows(session, "SELECT P, Q FROM OTHER.V") == [(1, " AS (")]


def test_get_ddl_and_describe_show_snowflakes_words(session: Session) -> None:
    session.sql(
        "CREATE TABLE T (ID NUMBER AUTOINCREMENT START 10 INCREMENT 5, \"my col\" VARCHAR(5) DEFAULT 'x')"
    ).collect()
    ((text,),) = rows(session, "SELECT GET_DDL('TABLE', 'T')")
    assert text == (
        "create or replace TABLE T (\n"
        "\tID NUMBER(38,0) autoincrement start 10 increment 5 noorder,\n"
        "\t\"my col\" VARCHAR(5) DEFAULT 'x'\n);"
    )
    found = {row["name"]: row["default"] for row in session.sql("DESCRIBE TABLE T").collect()}
    assert found == {"ID": "IDENTITY START 10 INCREMENT 5 NOORDER", "my col": "'x'"}
    session.sql("INSERT INTO T (\"my col\") VALUES ('a'), ('b')").collect()
    session.sql("CREATE SCHEMA CLONED CLONE " + str(session.get_current_schema())).collect()
    ((cloned,),) = rows(session, "SELECT GET_DDL('TABLE', 'T')")
    assert "autoincrement start 20 increment 5 noorder" in cloned
    assert rows(session, "SELECT ID FROM T ORDER BY ID") == [(10,), (15,)]


COLUMNS = """\
CREATE TABLE T (
  A NUMBER(20) DEFAULT 1 + 1, B TIMESTAMP_NTZ(3) DEFAULT CURRENT_TIMESTAMP, C CHAR, D ARRAY, E BINARY(4),
  F VARCHAR(5) NOT NULL DEFAULT 'it''s'
)"""
DECLARED = [
    ("A", "NUMBER(20,0)", "1 + 1"),
    ("B", "TIMESTAMP_NTZ(3)", "CURRENT_TIMESTAMP()"),
    ("C", "VARCHAR(1)", None),
    ("D", "ARRAY", None),
    ("E", "BINARY(4)", None),
    ("F", "VARCHAR(5)", "'it''s'"),
]


def described(session: Session, table: str) -> list[tuple[Any, ...]]:
    return [
        (row["name"], row["type"], row["default"]) for row in session.sql(f"DESC TABLE {table}").collect()
    ]


def test_columns_are_described_as_they_were_declared(session: Session) -> None:
    session.sql(COLUMNS).collect()
    session.sql("CREATE TABLE ALIKE LIKE T").collect()
    session.sql("CREATE TABLE CLONED CLONE T").collect()
    session.sql("CREATE SCHEMA OTHER CLONE PUBLIC").collect()
    for table in ("PUBLIC.T", "PUBLIC.ALIKE", "PUBLIC.CLONED", "OTHER.T"):
        assert described(session, table) == DECLARED, table
        with pytest.raises(Exception, match="String is too long for column F"):
            session.sql(f"INSERT INTO {table} (F) VALUES ('longer')").collect()
    # Nothing of a declaration is left for another table of the name.
    session.sql("CREATE OR REPLACE TABLE PUBLIC.T AS SELECT 1 AS A").collect()
    assert described(session, "PUBLIC.T") == [("A", "NUMBER(38,0)", None)]


def test_a_change_of_a_table_keeps_the_other_declarations(session: Session) -> None:
    session.sql(COLUMNS).collect()
    session.sql("CREATE TAG OWNER").collect()
    session.sql("ALTER TABLE T SET TAG OWNER = 'me'").collect()
    session.sql("INSERT INTO T (F) VALUES ('old')").collect()
    for change in (
        "ADD COLUMN G VARCHAR(2) NOT NULL DEFAULT 'no'",
        "RENAME COLUMN A TO N",
        "DROP COLUMN C",
        "ALTER COLUMN F SET DATA TYPE VARCHAR(7)",
        "RENAME TO U",
    ):
        session.sql(f"ALTER TABLE T {change}").collect()
    assert described(session, "U") == [
        ("N", "NUMBER(20,0)", "1 + 1"),
        *(column for column in DECLARED if column[0] in "BDE"),
        ("F", "VARCHAR(7)", "'it''s'"),
        ("G", "VARCHAR(2)", "'no'"),
    ]
    assert rows(session, "SELECT F, G FROM U") == [("old", "no")]
    assert rows(session, "SELECT SYSTEM$GET_TAG('OWNER', 'U', 'TABLE')") == [("me",)]
    with pytest.raises(Exception, match="String is too long for column G"):
        session.sql("INSERT INTO U (F, G) VALUES ('new', 'yes')").collect()


def test_a_table_of_a_query_has_the_declared_columns(session: Session) -> None:
    session.sql("CREATE TABLE T (A NUMBER(9), B VARCHAR(3) DEFAULT 'x') AS SELECT 1, 'one'").collect()
    # The query reads the table that it replaces.
    session.sql("CREATE OR REPLACE TABLE T (A NUMBER(9), B VARCHAR(3)) AS SELECT A + 1, B FROM T").collect()
    assert rows(session, "SELECT A, B FROM T") == [(2, "one")]
    assert described(session, "T") == [("A", "NUMBER(9,0)", None), ("B", "VARCHAR(3)", None)]
    with pytest.raises(Exception, match="String is too long for column B"):
        session.sql("CREATE OR REPLACE TABLE T (A NUMBER(9), B VARCHAR(3)) AS SELECT 1, 'four'").collect()
    assert rows(session, "SELECT A, B FROM T") == [(2, "one")]


def test_a_stream_tells_that_its_table_was_replaced(session: Session) -> None:
    session.sql("CREATE TABLE T (A NUMBER)").collect()
    session.sql("CREATE STREAM S ON TABLE T").collect()
    session.sql("CREATE OR REPLACE TABLE T (B VARCHAR, C VARCHAR)").collect()
    for text in ("SELECT * FROM S", "SELECT SYSTEM$STREAM_HAS_DATA('S')"):
        with pytest.raises(Exception, match="Base table '.*T' dropped, cannot read from the stream 'S'"):
            session.sql(text).collect()


def test_describing_a_command_shows_its_columns(session: Session, tmp_path: Path) -> None:
    cursor = session.connection.cursor()
    session.sql("CREATE TABLE T (A NUMBER)").collect()
    session.sql("CREATE STAGE FILES").collect()
    session.sql(
        "CREATE PROCEDURE ONE (A NUMBER) RETURNS FLOAT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        "PACKAGES = ('snowflake-snowpark-python') HANDLER = 'f' AS $$\ndef f(session, a):\n    return 1.0\n$$"
    ).collect()

    def described(text: str) -> list[str]:
        return [column.name for column in cursor.describe(text)]

    assert described("CALL ONE(1)") == ["ONE"]
    assert described("COPY INTO T FROM @FILES")[:3] == ["file", "status", "rows_parsed"]
    assert described("COPY INTO @FILES FROM T") == ["rows_unloaded", "input_bytes", "output_bytes"]
    assert described(f"PUT file://{tmp_path}/x @FILES")[:2] == ["source", "target"]
    assert described(f"GET @FILES file://{tmp_path}") == ["file", "size", "status", "message"]
    with pytest.raises(ProgrammingError, match="Unknown function MISSING"):
        cursor.describe("CALL MISSING(1)")


def test_values_are_bound_in_commands(session: Session) -> None:
    cursor = session.connection.cursor()
    with pytest.raises(ProgrammingError, match=r"Bind variable \? not set"):
        cursor.execute("CREATE TABLE T AS SELECT ? AS A, ? AS B", [1])
    cursor.execute("CREATE TABLE T AS SELECT :2 AS A, :1 AS B, ':1' AS C", ["one", 2])
    assert cursor.execute("SELECT A, B, C FROM T").fetchall() == [(2, "one", ":1")]


def test_data_in_a_message_is_not_taken_for_the_message(session: Session) -> None:
    session.sql("CREATE TABLE T (A VARCHAR)").collect()
    session.sql("INSERT INTO T VALUES ('Division by zero')").collect()
    with pytest.raises(Exception, match="Numeric value 'Division by zero' is not recognized"):
        session.sql("SELECT A::NUMBER FROM T").collect()
    session.sql('CREATE TABLE U ("Frame start" NUMBER)').collect()
    with pytest.raises(Exception, match="invalid identifier"):
        session.sql('SELECT "Frame starts" FROM U').collect()


def test_a_clone_with_internal_stages_has_its_own_files(session: Session, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1\n")
    session.sql("CREATE STAGE FILES").collect()
    session.file.put(str(tmp_path / "a.csv"), "@FILES", auto_compress=False)
    session.sql("CREATE SCHEMA COPY CLONE PUBLIC INCLUDE INTERNAL STAGES COMMENT = 'a copy'").collect()
    assert [row["name"] for row in session.sql("LIST @COPY.FILES").collect()] == ["files/a.csv"]
    (shown,) = session.sql("SHOW SCHEMAS LIKE 'COPY'").collect()
    assert shown["comment"] == "a copy"
    (tmp_path / "a.csv").write_text("2\n")
    session.file.put(str(tmp_path / "a.csv"), "@COPY.FILES", auto_compress=False, overwrite=True)
    assert rows(session, "SELECT $1 FROM @PUBLIC.FILES") == [("1",)]
    assert rows(session, "SELECT $1 FROM @COPY.FILES") == [("2",)]
    session.sql("REMOVE @COPY.FILES").collect()
    assert len(session.sql("LIST @PUBLIC.FILES").collect()) == 1


def test_views_of_a_clone_read_the_clone_unless_they_name_the_schema(session: Session) -> None:
    session.sql("CREATE TABLE T AS SELECT 1 AS A").collect()
    session.sql("CREATE VIEW V (X COMMENT 'one') COMMENT = 'of T' AS SELECT A FROM T").collect()
    session.sql("CREATE VIEW OF_V AS SELECT X FROM V").collect()
    session.sql("CREATE VIEW NAMED AS SELECT A FROM PUBLIC.T").collect()
    session.sql("CREATE SCHEMA COPY CLONE PUBLIC").collect()
    session.sql("INSERT INTO COPY.T VALUES (2)").collect()
    assert rows(session, "SELECT X FROM COPY.V ORDER BY X") == [(1,), (2,)]
    assert rows(session, "SELECT X FROM COPY.OF_V ORDER BY X") == [(1,), (2,)]
    assert rows(session, "SELECT A FROM COPY.NAMED") == [(1,)]
    assert rows(session, "SELECT X FROM PUBLIC.OF_V") == [(1,)]
    (shown,) = session.sql("SHOW VIEWS LIKE 'V' IN SCHEMA COPY").collect()
    assert shown["comment"] == "of T"
    (column,) = session.sql("DESCRIBE VIEW COPY.V").collect()
    assert (column["name"], column["comment"]) == ("X", "one")


def test_a_failed_clone_leaves_no_schema(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(session, "SOURCE")

    def fail(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(clones, "_read_clones", fail)
        with pytest.raises(SnowparkSQLException, match="RuntimeError: killed"):
            session.sql("CREATE SCHEMA COPY CLONE SOURCE").collect()
    assert session.sql("SHOW SCHEMAS LIKE 'COPY'").collect() == []
    session.sql("CREATE SCHEMA COPY CLONE SOURCE").collect()
