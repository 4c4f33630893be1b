"""Transactions as on Snowflake: failed statements, AUTOCOMMIT, and transactions of procedures.

https://docs.snowflake.com/en/sql-reference/transactions
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from snowflake.connector.errors import Error, IntegrityError, ProgrammingError

from snowpipe_ml.local import connect
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.core.errors import UnsupportedError

Ask = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    connection = connect(tmp_path_factory.mktemp("warehouse"), "D", share=False)
    assert isinstance(connection, Connection)
    yield connection
    connection.close()


@pytest.fixture
def run(warehouse: Connection) -> Iterator[Ask]:
    """Run statements in a session that has an empty table T; its rows are 1, 2 and so on."""
    cursor = warehouse.cursor()

    def ask(text: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in cursor.execute(text).fetchall()]  # type: ignore[arg-type]

    ask("CREATE OR REPLACE TABLE t (a INT NOT NULL, b VARCHAR(5))")
    yield ask
    ask("ROLLBACK")
    ask("ALTER SESSION UNSET AUTOCOMMIT")


def fails(run: Ask, text: str) -> Error:
    with pytest.raises((IntegrityError, ProgrammingError)) as caught:
        run(text)
    return caught.value


FAILING = (
    "INSERT INTO t SELECT a || 'x', b FROM t",
    "INSERT INTO t SELECT 1 / (a - a), 'x' FROM t",
    "INSERT INTO t VALUES (1, 'too long')",
    "INSERT INTO t (b) VALUES ('x')",
    "UPDATE t SET a = NULL",
    "MERGE INTO t USING (SELECT column1 AS x FROM VALUES (1), (1)) AS s ON t.a = s.x WHEN MATCHED THEN UPDATE SET b = 'm'",
    "SELECT TO_NUMBER('x')",
    "SELECT * FROM nowhere",
    "SELECT nowhere FROM t",
    "SELEC 1",
)


@pytest.mark.parametrize("failing", FAILING)
def test_a_failed_statement_leaves_the_transaction_open(run: Ask, failing: str) -> None:
    run("BEGIN")
    run("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    run("UPDATE t SET b = 'TWO' WHERE a = 2")
    fails(run, failing)
    assert run("SELECT * FROM t ORDER BY a") == [(1, "one"), (2, "TWO")]
    run("DELETE FROM t WHERE a = 1")
    run("COMMIT")
    assert run("SELECT * FROM t") == [(2, "TWO")]


def test_a_failed_statement_and_a_rollback(run: Ask) -> None:
    run("INSERT INTO t VALUES (1, 'one')")
    run("BEGIN")
    run("DELETE FROM t")
    fails(run, "INSERT INTO t SELECT 'x', 'x'")
    run("ROLLBACK")
    assert run("SELECT * FROM t") == [(1, "one")]


def test_values_of_a_transaction_are_kept_after_a_failure(run: Ask) -> None:
    """Random values, sequences and times are not drawn again."""
    run("CREATE OR REPLACE SEQUENCE numbers")
    run(
        "CREATE OR REPLACE TABLE kept (n INT AUTOINCREMENT, s INT, r INT, u VARCHAR DEFAULT UUID_STRING(), at TIMESTAMP_LTZ)"
    )
    run("BEGIN")
    run(
        "INSERT INTO kept (s, r, at) SELECT numbers.NEXTVAL, RANDOM(), CURRENT_TIMESTAMP() FROM TABLE(GENERATOR(ROWCOUNT => 3))"
    )
    before = run("SELECT * FROM kept ORDER BY n")
    fails(run, "SELECT 1 / 0")
    assert run("SELECT * FROM kept ORDER BY n") == before
    run("COMMIT")
    assert run("SELECT * FROM kept ORDER BY n") == before


def test_a_statement_has_the_time_at_which_it_began(run: Ask) -> None:
    run("BEGIN")
    first = run("SELECT CURRENT_TIMESTAMP()")
    assert run("SELECT CURRENT_TIMESTAMP()") > first


def test_what_cannot_be_repeated_is_refused_by_name(run: Ask) -> None:
    run("INSERT INTO t VALUES (1, 'one')")
    run("BEGIN")
    run("UPDATE t SET a = RANDOM()")
    fails(run, "SELECT 1 / 0")
    with pytest.raises(UnsupportedError, match="random values"):
        run("SELECT * FROM t")
    with pytest.raises(UnsupportedError, match="COMMIT of a transaction in which a statement failed"):
        run("COMMIT")
    assert run("SELECT * FROM t") == [(1, "one")]


def test_a_change_by_another_session_is_noticed(run: Ask, warehouse: Connection) -> None:
    other = warehouse.another("D", "PUBLIC")
    run("BEGIN")
    run("INSERT INTO t VALUES (1, 'one')")
    other.cursor().execute("INSERT INTO t VALUES (2, 'two')")
    fails(run, "SELECT 1 / 0")
    with pytest.raises(UnsupportedError, match="another session has changed the warehouse"):
        run("INSERT INTO t VALUES (3, 'three')")
    run("ROLLBACK")
    assert run("SELECT a FROM t") == [(2,)]
    other.close()


def test_a_transaction_that_only_reads_goes_on_after_a_change(run: Ask, warehouse: Connection) -> None:
    other = warehouse.another("D", "PUBLIC")
    run("BEGIN")
    run("SELECT * FROM t")
    other.cursor().execute("INSERT INTO t VALUES (2, 'two')")
    fails(run, "SELECT 1 / 0")
    assert run("SELECT a FROM t") == [(2,)]
    other.close()


def test_whole_numbers_have_38_digits_in_a_transaction(run: Ask) -> None:
    run("BEGIN")
    run("INSERT INTO t VALUES (1, 'one')")
    assert run("SELECT MAX(a) * 10000000000 * 10000000000 FROM t") == [(10**20,)]
    run("COMMIT")
    assert run("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize("seed", range(3))
def test_random_transactions_equal_their_successful_statements(run: Ask, seed: int) -> None:
    draw = random.Random(seed)
    done = []
    run("BEGIN")
    for number in range(25):
        text = draw.choice(
            (
                f"INSERT INTO t VALUES ({number}, 'x')",
                f"UPDATE t SET b = 'u{number % 10}' WHERE a % 3 = {number % 3}",
                f"DELETE FROM t WHERE a = {draw.randrange(25)}",
                *FAILING[:5],
            )
        )
        try:
            run(text)
            done.append(text)
        except (IntegrityError, ProgrammingError):
            pass
    run("COMMIT")
    found = run("SELECT * FROM t ORDER BY a")
    run("DELETE FROM t")
    for text in done:
        run(text)
    assert run("SELECT * FROM t ORDER BY a") == found


def test_autocommit_can_be_turned_off(run: Ask) -> None:
    run("ALTER SESSION SET AUTOCOMMIT = FALSE")
    run("INSERT INTO t VALUES (1, 'one')")
    run("ROLLBACK")
    run("INSERT INTO t VALUES (2, 'two')")
    run("CREATE OR REPLACE TABLE of_ddl (a INT)")  # commits
    run("ROLLBACK")
    assert run("SELECT a FROM t") == [(2,)]
    run("TRUNCATE TABLE t")
    run("ROLLBACK")
    assert run("SELECT a FROM t") == [(2,)]


def test_the_connection_turns_autocommit_off(warehouse: Connection) -> None:
    other = warehouse.another("D", "PUBLIC")
    other.autocommit(False)
    other.cursor().execute("CREATE OR REPLACE TABLE own (a INT)")
    other.cursor().execute("INSERT INTO own VALUES (1)")
    other.rollback()
    other.cursor().execute("INSERT INTO own VALUES (2)")
    other.close()  # rolls back
    assert warehouse.cursor().execute("SELECT * FROM own").fetchall() == []


def test_a_transaction_of_a_procedure_is_its_own(run: Ask) -> None:
    run("""CREATE OR REPLACE PROCEDURE inside() RETURNS INT AS $$
        BEGIN
          BEGIN TRANSACTION;
          INSERT INTO t VALUES (2, 'in');
          COMMIT;
          INSERT INTO t VALUES (3, 'out');
          RETURN (SELECT COUNT(*) FROM t);
        END $$""")
    run("BEGIN")
    run("INSERT INTO t VALUES (1, 'out')")
    assert run("CALL inside()") == [(2,)]  # the rows of the transaction, which began before the other one
    assert run("SELECT a FROM t ORDER BY a") == [(1,), (3,)]
    run("ROLLBACK")
    assert run("SELECT a FROM t") == [(2,)]


def test_a_procedure_ends_its_transaction(run: Ask) -> None:
    run(
        "CREATE OR REPLACE PROCEDURE opens() RETURNS INT AS 'BEGIN BEGIN TRANSACTION; INSERT INTO t VALUES (1, NULL); END'"
    )
    assert "incomplete and it was rolled back" in str(fails(run, "CALL opens()"))
    assert run("SELECT * FROM t") == []


@pytest.mark.parametrize("text", ["COMMIT", "ROLLBACK", "CREATE OR REPLACE TABLE of_ddl (a INT)"])
def test_a_procedure_does_not_end_the_transaction_of_its_caller(run: Ask, text: str) -> None:
    run(f"CREATE OR REPLACE PROCEDURE ends() RETURNS INT AS 'BEGIN {text}; END'")
    run("BEGIN")
    run("INSERT INTO t VALUES (1, 'one')")
    assert "started at a different scope is not allowed" in str(fails(run, "CALL ends()"))
    run("COMMIT")
    assert run("SELECT a FROM t") == [(1,)]


def test_a_failed_procedure_changes_nothing_in_a_transaction(run: Ask) -> None:
    run(
        "CREATE OR REPLACE PROCEDURE fails() RETURNS INT AS 'BEGIN INSERT INTO t VALUES (2, NULL); RETURN 1 / 0; END'"
    )
    run("BEGIN")
    run("INSERT INTO t VALUES (1, 'one')")
    fails(run, "CALL fails()")
    run("COMMIT")
    assert run("SELECT a FROM t") == [(1,)]
    fails(run, "CALL fails()")  # outside of a transaction each statement is committed
    assert run("SELECT a FROM t ORDER BY a") == [(1,), (2,)]


def test_a_failed_statement_on_a_stage_in_a_transaction(run: Ask, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("1,one\n2,two\n")
    (tmp_path / "bad.csv").write_text("3,three\nx,four\n")
    run("CREATE OR REPLACE STAGE files")
    run(f"PUT 'file://{tmp_path}/*.csv' @files")
    run("BEGIN")
    run("COPY INTO t FROM @files FILES = ('rows.csv.gz')")
    fails(run, "COPY INTO t FROM @files FILES = ('bad.csv.gz')")
    run("COMMIT")
    assert run("SELECT a FROM t ORDER BY a") == [(1,), (2,)]
    assert run("COPY INTO t FROM @files FILES = ('rows.csv.gz')") == [
        ("Copy executed with 0 files processed.",)
    ]
