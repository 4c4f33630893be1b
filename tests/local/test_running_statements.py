"""Running statements as other sessions see them: found in the history, canceled, and left behind by clients."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local import connect
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.server.http import WarehouseServer
from tests.gate import LONG, SOON, eventually

RUNNING = (
    "SELECT QUERY_ID FROM TABLE(D.INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 10000)) "
    "WHERE EXECUTION_STATUS = 'RUNNING' AND QUERY_TAG = 'mine'"
)
Ask = Callable[[str], list[tuple[object, ...]]]


def asking(connection: Connection | SnowflakeConnection) -> Ask:
    def ask(text: str) -> list[tuple[object, ...]]:
        cursor = connection.cursor()
        cursor.execute(text)
        return [tuple(row) for row in cursor.fetchall()]

    return ask


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[tuple[Connection, Connection]]:
    """Two sessions on a warehouse; the statements of the first have a tag."""
    opened = connect(tmp_path, "D", share=False), connect(tmp_path, "D", share=False)
    assert isinstance(opened[0], Connection)
    assert isinstance(opened[1], Connection)
    opened[0].cursor().execute("ALTER SESSION SET QUERY_TAG = 'mine'")
    yield opened[0], opened[1]
    for connection in opened:
        connection.close()


@contextmanager
def waiting(connection: Connection) -> Iterator[list[str]]:
    """Run a long statement in a thread; yields the errors that it ends with."""
    ended: list[str] = []

    def run() -> None:
        try:
            connection.cursor().execute(f"SELECT SYSTEM$WAIT({LONG})")
        except ProgrammingError as error:
            ended.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    yield ended
    thread.join(SOON)
    assert not thread.is_alive()


def test_a_statement_is_found_by_its_tag_and_canceled(sessions: tuple[Connection, Connection]) -> None:
    ask = asking(sessions[1])
    with waiting(sessions[0]) as ended:
        eventually(lambda: len(ask(RUNNING)) == 1)
        ((query_id,),) = ask(RUNNING)
        assert ask(f"SELECT SYSTEM$CANCEL_QUERY('{query_id}')") == [(f"query [{query_id}] terminated.",)]
        eventually(lambda: not ask(RUNNING))
    assert "SQL execution canceled" in ended[0]
    ((text, code),) = ask(
        f"SELECT EXECUTION_STATUS, ERROR_CODE FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_SESSION(SESSION_ID => "
        f"{sessions[0].session_id})) WHERE QUERY_ID = '{query_id}'"
    )
    assert (text, code) == ("FAILED_WITH_ERROR", 604)
    ((said,),) = ask(f"SELECT SYSTEM$CANCEL_QUERY('{query_id}')")
    assert "not currently executing" in str(said)


def test_a_transaction_of_another_session_is_aborted(sessions: tuple[Connection, Connection]) -> None:
    first, second = asking(sessions[0]), asking(sessions[1])
    first("CREATE TABLE t (a INT)")
    assert second("SHOW TRANSACTIONS") == []
    first("BEGIN")
    first("INSERT INTO t VALUES (1)")
    ((number, _, session, *_),) = second("SHOW TRANSACTIONS")
    assert session == sessions[0].session_id
    assert first("SELECT CURRENT_TRANSACTION()") == [(str(number),)]
    with waiting(sessions[0]) as ended:
        eventually(lambda: len(second(RUNNING)) == 1)
        assert second(f"SELECT SYSTEM$ABORT_TRANSACTION({number})") == [
            (f"Aborted transaction id: {number}",)
        ]
    assert ended
    assert second("SHOW TRANSACTIONS") == []
    first("COMMIT")
    assert first("SELECT * FROM t") == []
    with pytest.raises(ProgrammingError, match="not running"):
        second(f"SELECT SYSTEM$ABORT_TRANSACTION({number})")


@pytest.mark.parametrize(
    "call",
    [
        "QUERY_HISTORY()",
        "QUERY_HISTORY_BY_USER(USER_NAME => CURRENT_USER)",
        "QUERY_HISTORY_BY_USER(USER_NAME => 'local')",
        "QUERY_HISTORY_BY_SESSION(SESSION_ID => CURRENT_SESSION())",
        "QUERY_HISTORY_BY_WAREHOUSE()",
    ],
)
def test_the_histories(sessions: tuple[Connection, Connection], call: str) -> None:
    rows = asking(sessions[1])(f"SELECT EXECUTION_STATUS FROM TABLE(INFORMATION_SCHEMA.{call})")
    assert rows[0] == ("RUNNING",)  # this one


def test_limits_of_the_history(sessions: tuple[Connection, Connection]) -> None:
    ask = asking(sessions[1])
    assert len(ask("SELECT 1 FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 1))")) == 1
    with pytest.raises(ProgrammingError, match="between 1 and 10000"):
        ask("SELECT 1 FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 20000))")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., SnowflakeConnection]]:
    """Connects to a server for which a client is gone after 0.3 seconds without a request."""
    server = WarehouseServer(tmp_path, 0, "token", "D", detached_after=0.3)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def login(detached: bool = False) -> SnowflakeConnection:
        return snowflake.connector.connect(
            account="local",
            user="local",
            password="token",
            host="127.0.0.1",
            port=server.port,
            protocol="http",
            session_parameters={"QUERY_TAG": "mine", "ABORT_DETACHED_QUERY": detached},
        )

    yield login
    server.close()
    thread.join()


@pytest.mark.parametrize("aborts", [False, True])
def test_a_statement_of_a_client_that_is_gone(
    served: Callable[..., SnowflakeConnection], aborts: bool
) -> None:
    """It runs on, unless the session has ABORT_DETACHED_QUERY."""
    gone, other = served(aborts), served()
    gone.cursor().execute_async(f"SELECT SYSTEM$WAIT({1 if not aborts else LONG})")
    ask = asking(other)
    other.cursor().execute("ALTER SESSION UNSET QUERY_TAG")
    if aborts:
        eventually(lambda: not ask(RUNNING))
    ended = (
        "SELECT EXECUTION_STATUS FROM TABLE(D.INFORMATION_SCHEMA.QUERY_HISTORY()) "
        "WHERE QUERY_TEXT ILIKE 'SELECT SYSTEM$WAIT%' AND END_TIME IS NOT NULL"
    )
    eventually(lambda: len(ask(ended)) == 1)
    assert ask(ended) == [("FAILED_WITH_ERROR" if aborts else "SUCCESS",)]


def test_a_client_that_logs_out_leaves_nothing_running(served: Callable[..., SnowflakeConnection]) -> None:
    leaving, other = served(), served()
    leaving.cursor().execute_async(f"SELECT SYSTEM$WAIT({LONG})")
    other.cursor().execute("ALTER SESSION UNSET QUERY_TAG")
    ask = asking(other)
    eventually(lambda: len(ask(RUNNING)) == 1)
    assert leaving.rest is not None
    leaving.rest.delete_session()
    eventually(lambda: not ask(RUNNING))


def test_ctrl_c_is_no_error_of_the_statement_that_it_ends(sessions: tuple[Connection, Connection]) -> None:
    """DuckDB reports the exception of a signal's handler as a RuntimeError."""
    duck = sessions[0].session.duck
    with pytest.raises(KeyboardInterrupt), duck.stoppable("SELECT 1"):
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="another"), duck.stoppable("SELECT 1"):
        raise RuntimeError("another")
