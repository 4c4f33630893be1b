"""Statements that are started without waiting for them, as Snowpark does with ``block=False``."""

from __future__ import annotations

from typing import Any

import pytest
from snowflake.connector.errors import DatabaseError
from snowflake.snowpark.exceptions import SnowparkSQLException


def test_the_error_of_a_started_statement_is_raised_with_its_result(session: Any) -> None:
    job = session.sql("SELECT 1 / 0").collect_nowait()
    assert (job.is_done(), job.is_failed(), job.status()) == (True, True, "FAILED_WITH_ERROR")
    for kind in ("row", "no_result"):
        with pytest.raises((DatabaseError, SnowparkSQLException), match="Division by zero"):
            job.result(kind)
    again = session.create_async_job(job.query_id)
    assert again.is_failed()


def test_a_statement_that_does_not_compile_is_not_started(session: Any) -> None:
    with pytest.raises(SnowparkSQLException, match="does not exist"):
        session.sql("SELECT * FROM absent").collect_nowait()


def test_a_started_statement_that_succeeds(session: Any) -> None:
    job = session.sql("SELECT 1 AS A").collect_nowait()
    assert not job.is_failed()
    assert job.result()[0][0] == 1
