"""The reader of the dashboard: it only reads, closes when idle, and survives the end of whoever held the warehouse."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.dashboard.data.reader import Reader
from snowpipe_ml.local import connect
from snowpipe_ml.local.core.errors import HolderGoneError
from snowpipe_ml.plugins.connection import execute
from snowpipe_ml.sql import Sql


def test_what_writes_is_refused(tmp_path: Path) -> None:
    reader = Reader(lambda: connect(tmp_path / "warehouse", "D"))
    for text in ("DELETE FROM T", "CREATE TABLE T (A INT)", "CALL P()", "INSERT INTO T SELECT 1"):
        with pytest.raises(ValueError, match="only reads"):
            reader.rows(Sql(text))
        with pytest.raises(ValueError, match="only reads"):
            reader.frame(Sql(text))


def test_a_lost_connection_is_opened_again(tmp_path: Path) -> None:
    opened: list[Any] = []

    def open_one() -> Any:
        opened.append(connect(tmp_path / "warehouse", "D"))
        return opened[-1]

    slept: list[float] = []
    reader = Reader(open_one, sleep=slept.append)
    calls = iter([HolderGoneError("process 1"), HolderGoneError("process 2"), None])

    def read(connection: Any) -> Any:
        error = next(calls)
        if error is not None:
            raise error
        return execute(connection, Sql("SELECT 1 AS X"))[0]["X"]

    assert reader.call(read) == 1
    assert len(opened) == 3
    assert slept == [0.2, 0.4]
    reader.close()


def test_an_idle_connection_is_closed_so_that_no_run_waits_for_it(tmp_path: Path) -> None:
    closed = threading.Event()

    class Connection:
        def close(self) -> None:
            closed.set()

    reader = Reader(Connection, idle=0.01)  # type: ignore[arg-type]
    assert reader.call(lambda connection: 5) == 5
    assert closed.wait(60)
