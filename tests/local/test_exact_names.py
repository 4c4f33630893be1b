"""Names refer to objects and columns of the same case, and errors name what is missing as Snowflake does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError

import snowpipe_ml.local as local


@pytest.fixture(scope="module")
def cursor() -> Iterator[Any]:
    with local.connect(database="D", schema="S") as connection:
        cursor = connection.cursor()
        cursor.execute('CREATE TABLE t ("File" INT, "x" INT, A INT)')
        cursor.execute("INSERT INTO t VALUES (1, 2, 3)")
        cursor.execute('CREATE TABLE u ("file" INT, b INT)')
        cursor.execute("INSERT INTO u VALUES (5, 6)")
        cursor.execute('CREATE TABLE "Mixed" (a INT)')
        cursor.execute('CREATE VIEW v AS SELECT "x" AS "y" FROM t')
        yield cursor


def _error(cursor: Any, text: str) -> str:
    with pytest.raises(ProgrammingError) as caught:
        cursor.execute(text)
    return str(caught.value).replace("SQL compilation error:\n", "")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SELECT x FROM t", "X"),
        ("SELECT t.x FROM t", "T.X"),
        ('SELECT "a" FROM t', '"a"'),
        ("SELECT a FROM t WHERE file = 1", "FILE"),
        ("SELECT a FROM t ORDER BY x", "X"),
        ("SELECT COUNT(*) FROM t GROUP BY x", "X"),
        ("SELECT y FROM v", "Y"),
        ('SELECT q.a FROM (SELECT 1 AS "a") q', "Q.A"),
        ('WITH q AS (SELECT * FROM t) SELECT "FILE" FROM q', "FILE"),
        ("SELECT (SELECT MAX(b) FROM u WHERE u.b = t.x) FROM t", "T.X"),
        ('SELECT t."file" FROM t, u', 'T."file"'),
        ("SELECT * FROM t PIVOT (SUM(x) FOR a IN (1))", "X"),
        ("INSERT INTO t (x) VALUES (1)", "X"),
        ("UPDATE t SET x = 1", "X"),
        ("DELETE FROM t WHERE x = 1", "X"),
        ("MERGE INTO t USING u ON t.a = u.b WHEN MATCHED THEN UPDATE SET a = u.FILE", "U.FILE"),
        ("SELECT w.a FROM t", "W.A"),
        ("SELECT a FROM t AS w WHERE t.a = 1", "T.A"),
        ("SELECT a FROM t JOIN (SELECT 1 AS k) w ON w.zz = 1", "W.ZZ"),
        ("SELECT a FROM t JOIN u USING (zz)", "ZZ"),
        ("SELECT nosequence.NEXTVAL", "NOSEQUENCE.NEXTVAL"),
    ],
)
def test_a_column_of_another_case_is_unknown(cursor: Any, text: str, name: str) -> None:
    assert _error(cursor, text) == f"000904 (42000): invalid identifier '{name}'"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('SELECT t."File", u."file" FROM t, u', [(1, 5)]),
        ('SELECT * EXCLUDE "x" RENAME "File" AS f FROM t', [(1, 3)]),
        ('SELECT "b" FROM (SELECT A AS "b" FROM t)', [(3,)]),
        ("SELECT f.value FROM t, LATERAL FLATTEN(input => ARRAY_CONSTRUCT(a)) f", [("3",)]),
        ('SELECT k FROM t AS w ("x", k)', [(2,)]),
        ('SELECT A FROM "T" WHERE EXISTS (SELECT 1 FROM u WHERE u."file" = t.A + 2)', [(3,)]),
    ],
)
def test_a_column_of_the_same_case_is_found(cursor: Any, text: str, rows: list[tuple[Any, ...]]) -> None:
    assert cursor.execute(text).fetchall() == rows


def test_tables_with_columns_that_differ_in_case_meet(cursor: Any) -> None:
    cursor.execute('CREATE TABLE target ("File" INT)')
    cursor.execute('INSERT INTO target ("File") SELECT "file" FROM u')
    cursor.execute('UPDATE target SET "File" = u."file" + 1 FROM u')
    assert cursor.execute('SELECT "File" FROM target').fetchall() == [(6,)]


@pytest.mark.parametrize("name", ["mixed", "Mixed", '"MIXED"', '"t"', 's."t"', "d.s.Mixed"])
def test_a_table_of_another_case_is_missing(cursor: Any, name: str) -> None:
    assert "002003 (42S02): Object '" in _error(cursor, f"SELECT * FROM {name}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT * FROM nodb.s.t", "002003 (02000): Database 'NODB'"),
        ("SELECT * FROM d.nos.t", "002003 (02000): Schema 'D.NOS'"),
        ('SELECT * FROM "s".t', "002003 (02000): Schema 'D.s'"),
        ("SELECT * FROM d.s.nope", "002003 (42S02): Object 'D.S.NOPE'"),
        ("SELECT * FROM nodb.INFORMATION_SCHEMA.TABLES", "002003 (02000): Database 'NODB'"),
        ("INSERT INTO d.nos.t VALUES (1)", "002003 (02000): Schema 'D.NOS'"),
        ("CREATE SCHEMA nodb.s", "002003 (02000): Database 'NODB'"),
        ("CREATE TABLE nodb.s.t (a INT)", "002003 (02000): Database 'NODB'"),
        ("CREATE VIEW d.nos.v AS SELECT 1 AS a", "002003 (02000): Schema 'D.NOS'"),
        ("CREATE STAGE d.nos.x", "002003 (02000): Schema 'D.NOS'"),
        ("CREATE FILE FORMAT d.nos.x TYPE = CSV", "002003 (02000): Schema 'D.NOS'"),
        ("CREATE SEQUENCE d.nos.x", "002003 (02000): Schema 'D.NOS'"),
        ("CREATE TASK d.nos.x AS SELECT 1", "002003 (02000): Schema 'D.NOS'"),
        ("CREATE TAG d.nos.x", "002003 (02000): Schema 'D.NOS'"),
        ("CREATE FUNCTION d.nos.x() RETURNS INT AS '1'", "002003 (02000): Schema 'D.NOS'"),
        ("SHOW TABLES IN SCHEMA nos", "002043 (02000): Object does not exist"),
        ("SHOW STAGES IN DATABASE nodb", "002043 (02000): Object does not exist"),
        ("SHOW STREAMS IN SCHEMA nos", "002003 (02000): Schema 'D.NOS'"),
        ("SELECT d.s.f(1)", "002141 (42601): Unknown user-defined function D.S.F"),
        ("CALL d.s.p()", "002141 (42601): Unknown user-defined function D.S.P"),
    ],
)
def test_errors_name_the_missing_part(cursor: Any, text: str, message: str) -> None:
    assert _error(cursor, text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1 FROM t, t", "002027 (42601): duplicate alias 'T'"),
        ("SELECT 1 FROM t JOIN t ON TRUE", "002027 (42601): duplicate alias 'T'"),
        ("SELECT 1 FROM t w, u w", "002027 (42601): duplicate alias 'W'"),
        ("SELECT * EXCLUDE zz FROM t", "000904 (42000): column 'ZZ' does not exist"),
        ("SELECT t.* RENAME zz AS yy FROM t", "000904 (42000): column 'ZZ' does not exist"),
        ("SELECT * REPLACE (1 AS zz) FROM t", "000904 (42000): column 'ZZ' does not exist"),
        ("INSERT INTO u (b, b) VALUES (1, 2)", "002025 (42S21): duplicate column name 'B'"),
        ("CREATE TABLE w (a) AS SELECT 1, 2", "002026 (42601): Invalid column definition list"),
        ("CREATE TABLE w (a INT, b INT) AS SELECT 1", "002026 (42601): Invalid column definition list"),
        ("CREATE VIEW w (a, b) AS SELECT 1", "002026 (42601): Invalid column definition list"),
        ("SELECT A, b FROM t, u GROUP BY A", "001104 (42601): 'B' in select clause is neither"),
        ("SELECT A FROM t, u GROUP BY A HAVING b > 1", "000979 (42601): [B] is not a valid group by"),
        ("SELECT * FROM t UNION SELECT 1", "001789 (42601): invalid number of result columns"),
        ("SELECT A FROM t QUALIFY A = 1", "found QUALIFY clause but no window function."),
    ],
)
def test_invalid_queries_have_snowflakes_errors(cursor: Any, text: str, message: str) -> None:
    assert _error(cursor, text).startswith(message)


def test_a_statement_that_does_not_compile_leaves_the_transaction_open(cursor: Any) -> None:
    cursor.execute("CREATE TABLE counted (a INT)")
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO counted VALUES (1)")
    for text in (
        "SELECT nope FROM counted",
        "SELECT * FROM nope",
        "SELECT a, COUNT(*) FROM counted",
        "INSERT INTO counted (nope) VALUES (1)",
        "UPDATE counted SET nope = 1",
        "DELETE FROM counted WHERE nope = 1",
    ):
        assert "DuckDB" not in _error(cursor, text)
    cursor.execute("INSERT INTO counted VALUES (2)")
    cursor.execute("COMMIT")
    assert cursor.execute("SELECT COUNT(*) FROM counted").fetchall() == [(2,)]


def test_a_statement_that_fails_leaves_the_transaction_open(cursor: Any) -> None:
    cursor.execute("BEGIN")
    _error(cursor, "SELECT 'x'::INT")
    try:
        assert "Division by zero" in _error(cursor, "SELECT 1 / 0")
    finally:
        cursor.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            """SELECT "AMOUNT", "Amount" FROM (
                 SELECT * FROM ((SELECT 1 AS "AMOUNT") AS l JOIN (SELECT 2 AS "Amount") AS r ON TRUE))""",
            [(1, 2)],
        ),
        (
            """SELECT "Amount" FROM ((SELECT 1 AS amount) AS l JOIN (SELECT 2 AS "Amount") AS r ON TRUE)""",
            [(2,)],
        ),
        (
            """SELECT r."Amount" FROM ((SELECT 1 AS a) AS l JOIN (SELECT 2 AS "Amount") AS r ON TRUE)""",
            [(2,)],
        ),
        ("""SELECT "Amount" FROM (((SELECT 2 AS "Amount")))""", [(2,)]),
        (
            """SELECT l.amount, m."Amount" FROM ((SELECT 1 AS amount) AS l JOIN
                 ((SELECT 2 AS "Amount") AS m JOIN (SELECT 3 AS c) AS n ON TRUE) ON TRUE)""",
            [(1, 2)],
        ),
    ],
)
def test_columns_of_a_join_in_parentheses_are_seen(
    cursor: Any, text: str, rows: list[tuple[object, ...]]
) -> None:
    assert cursor.execute(text).fetchall() == rows


def test_a_column_of_another_case_is_refused_behind_parentheses(cursor: Any) -> None:
    for query in (
        """SELECT amount FROM ((SELECT 1 AS a) AS l JOIN (SELECT 2 AS "Amount") AS r ON TRUE)""",
        """SELECT r.amount FROM ((SELECT 1 AS a) AS l JOIN (SELECT 2 AS "Amount") AS r ON TRUE)""",
    ):
        assert "invalid identifier" in _error(cursor, query)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT column1, COUNT(*) FROM VALUES (1), (2) GROUP BY column1 HAVING column1 > 1", [(2, 1)]),
        (
            "WITH q AS (SELECT * FROM VALUES (1)) SELECT column1 FROM q GROUP BY column1 HAVING column1 = 1",
            [(1,)],
        ),
        ("SELECT a, COUNT(*) AS c FROM t GROUP BY a HAVING c = 1", [(3, 1)]),
        (
            "SELECT table_name FROM information_schema.tables GROUP BY table_name HAVING table_name = 'U'",
            [("U",)],
        ),
    ],
)
def test_having_refers_to_columns_of_any_relation(
    cursor: Any, text: str, rows: list[tuple[Any, ...]]
) -> None:
    assert cursor.execute(text).fetchall() == rows


@pytest.mark.parametrize("relation", ["t", "v", "(SELECT a FROM t)", "VALUES (1)"])
def test_having_with_an_unknown_name(cursor: Any, relation: str) -> None:
    error = _error(cursor, f"SELECT COUNT(*) FROM {relation} HAVING zz > 0")
    assert "ZZ" in error.upper()


def test_the_name_of_a_stream_is_no_value(cursor: Any) -> None:
    cursor.execute("CREATE STREAM changed ON TABLE u")
    assert "invalid identifier 'CHANGED'" in _error(cursor, "SELECT changed FROM changed")
    assert cursor.execute("SELECT b FROM changed GROUP BY b HAVING b > 0").fetchall() == []
