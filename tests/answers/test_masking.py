"""Texts of records: no value is left in them, and names are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowpipe_ml.answers.masking import Masking

PLAIN = Masking(known=["DEMO", "PUBLIC"])
HASHED = Masking("salt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select A from t where NAME = 'x''y' and N > 1.5e3", "select A from T where NAME = * and N > *"),
        ("SELECT 'a\\'b', $1 -- it's a comment\n FROM @S/year/a.csv", "SELECT *, $1 FROM @S/*"),
        ("SELECT 1 /* 'x */ + 2", "SELECT * + *"),
        ("INSERT INTO T VALUES (1, 'a'), (2, 'b'), (%s, ?)", "INSERT INTO T VALUES (*)"),
        ("SELECT A IN ('x', 'y') AND B IN (1)", "SELECT A IN (*) AND B IN (*)"),
        (
            "CREATE TABLE T (A NUMBER(10, 2), B VARCHAR(40)) COMMENT = 'c'",
            "CREATE TABLE T (A NUMBER(10, 2), B VARCHAR(40)) COMMENT = *",
        ),
        (
            "CREATE FUNCTION F() RETURNS INT LANGUAGE PYTHON AS $$key = 'x'$$",
            "CREATE FUNCTION F() RETURNS INT LANGUAGE PYTHON AS *",
        ),
        ('SELECT "my ""col", A.B FROM "My Table" A', 'SELECT "my "col", A.B FROM "My Table" A'),
        ("PUT file:///home/me/secret.csv @S", "PUT * @S"),
        ("SELECT 'open to the end", "SELECT *"),
        ("SELECT A / B, A//comment\n+ 1", "SELECT A / B, A + *"),
        ("SELECT * FROM SNOWPARK_TEMP_TABLE_ABCDE12345", "SELECT * FROM SNOWPARK_TEMP_TABLE"),
        ("CREATE TABLE M_20261128T075457502_5f76b6 (A INT)", "CREATE TABLE M_RUN (A INT)"),
        ("SELECT \"'alice'\" FROM T", 'SELECT "*" FROM T'),
    ],
)
def test_statements(text: str, expected: str) -> None:
    assert PLAIN.statement(text) == expected


@pytest.mark.parametrize(
    ("text", "statement", "expected"),
    [
        (
            "Numeric value 'alice' is not recognized",
            "SELECT NAME::INT FROM T",
            "Numeric value * is not recognized",
        ),
        (
            "SQL compilation error:\nObject 'DEMO.PUBLIC.T' does not exist or not authorized.",
            "SELECT A FROM T",
            "SQL compilation error: Object 'DEMO.PUBLIC.T' does not exist or not authorized.",
        ),
        # A value can be a word that the statement has as a literal only.
        ("String 'alice' is too long", "SELECT 'alice' FROM T", "String * is too long"),
        (
            "error line 1 at position 17\ninvalid identifier 'NOPE'",
            "SELECT NOPE FROM T",
            "error line * at position * invalid identifier 'NOPE'",
        ),
        (
            'Failed to cast variant value {"ssn": "123-45-6789"} to FIXED',
            "SELECT V::INT FROM T",
            "Failed to cast variant value *",
        ),
        (
            'Duplicate row detected during DML action Row Values: [4711, "alice"]',
            "MERGE INTO T USING S ON T.A = S.A WHEN MATCHED THEN DELETE",
            "Duplicate row detected during DML action Row Values: *",
        ),
        (
            'Python Interpreter Error:\nTraceback (most recent call last):\n  File "x.py"\nValueError: alice',
            "SELECT F(A) FROM T",
            "Python Interpreter Error: *",
        ),
        ("Division by zero", "SELECT A / 0 FROM T", "Division by zero"),
        ("invalid bird zanzibar", "SELECT 1", "invalid *"),
    ],
)
def test_messages(text: str, statement: str, expected: str) -> None:
    assert PLAIN.message(text, statement) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("STATION_ID", "STATION_ID"),
        ("number of rows inserted", "number of rows inserted"),
        ("'ALICE'", "*"),
        ("COALESCE(NAME, 'ALICE')", "COALESCE(NAME, *)"),
        ("SUM(A) + 42", "SUM(A) + *"),
    ],
)
def test_columns(name: str, expected: str) -> None:
    assert PLAIN.column(name) == expected


def test_names_are_hashed_and_words_of_snowflake_are_not() -> None:
    shown = HASHED.statement('SELECT count(*) FROM payroll JOIN "PAYROLL" p ON p.DATE = CURRENT_DATE()')
    assert "PAYROLL" not in shown.upper()
    hashes = re.findall(r"N_[0-9a-f]{10}", shown)
    # The same name, quoted or not, has the same hash.
    assert hashes[0] == hashes[1]
    assert re.sub(r"N_[0-9a-f]{10}", "NAME", shown) == (
        'SELECT count(*) FROM NAME JOIN "NAME" NAME ON NAME.DATE = CURRENT_DATE()'
    )
    assert HASHED.message("Object 'PAYROLL' does not exist.", "SELECT 1 FROM PAYROLL") == (
        f"Object '{hashes[0]}' does not exist."
    )
    assert HASHED.name("stages.raw") != Masking("other").name("stages.raw")


@given(st.text(max_size=40))
def test_no_literal_survives(value: str) -> None:
    marked = f"zanzibar{value}quagga"
    literal = "'" + marked.replace("\\", "\\\\").replace("'", "''") + "'"
    assert (
        PLAIN.statement(f"SELECT A FROM T WHERE B = {literal} AND C = 1")
        == "SELECT A FROM T WHERE B = * AND C = *"
    )
    shown = PLAIN.message(f"Value '{marked}' is not recognized", f"SELECT {literal}")
    assert "zanzibar" not in shown.lower()
    assert "quagga" not in shown.lower()
