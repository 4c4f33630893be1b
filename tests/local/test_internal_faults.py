"""An exception that nobody foresaw is one error of Snowflake's connector, whose cause is the exception."""

from __future__ import annotations

import io
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError
from snowflake.snowpark import Session
from snowflake.snowpark.exceptions import SnowparkSQLException, SnowparkUploadFileException

from snowpipe_ml.engine.retry import is_transient
from snowpipe_ml.local.statements import databases


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("nobody")

    monkeypatch.setattr(databases, "drop_objects", fail)


@pytest.mark.usefixtures("broken")
def test_an_unforeseen_exception_is_an_internal_error(session: Session) -> None:
    session.sql("CREATE SCHEMA gone").collect()
    cursor: Any = session._conn._conn.cursor()
    with pytest.raises(ProgrammingError, match="failed with KeyError: 'nobody'") as found:
        cursor.execute("DROP SCHEMA gone")
    raised = found.value
    assert (raised.errno, raised.sqlstate, raised.query) == (603, "XX000", "DROP SCHEMA gone")
    assert raised.sfqid == cursor.sfqid
    assert isinstance(raised.__cause__, KeyError), "the traceback shows where it was raised"
    assert not is_transient(raised), "the same statement would raise it again"


@pytest.mark.usefixtures("broken")
def test_snowpark_raises_it_as_it_does_with_a_server(session: Session) -> None:
    session.sql("CREATE SCHEMA gone").collect()
    with pytest.raises(SnowparkSQLException, match=r"000603 \(XX000\)") as found:
        session.sql("DROP SCHEMA gone").collect()
    assert not is_transient(found.value)
    assert session.sql("SELECT 1").collect() == [(1,)]


def test_a_closed_stream_of_the_caller_is_not_a_fault(session: Any) -> None:
    session.sql("CREATE STAGE s").collect()
    stream = io.BytesIO(b"1,2")
    stream.close()
    with pytest.raises(SnowparkUploadFileException, match="A file stream was closed"):
        session.file.put_stream(stream, "@s/file")
