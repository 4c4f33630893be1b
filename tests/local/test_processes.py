"""Several sessions, several processes, and processes that are killed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import snowpipe_ml
from snowpipe_ml.errors import LockedError
from snowpipe_ml.local import connect
from tests.forked import Process, python


def test_threads_with_a_session_each_lose_nothing(tmp_path: Path) -> None:
    first = snowpipe_ml.local_session(tmp_path)
    first.sql("CREATE TABLE t (n INT)").collect()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            session = snowpipe_ml.local_session(tmp_path)
            for n in range(10):
                session.sql(f"INSERT INTO t VALUES ({number * 100 + n})").collect()
                session.sql(f"CREATE OR REPLACE TABLE own_{number} AS SELECT {n} AS n").collect()
            session.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert first.sql("SELECT COUNT(DISTINCT n) FROM t").collect()[0][0] == 60
    first.close()


HOLD = """
import sys, snowpipe_ml
session = snowpipe_ml.local_session(sys.argv[1])
session.sql("CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS a").collect()
session.sql("BEGIN").collect()
session.sql("INSERT INTO t VALUES (2)").collect()
print("ready", flush=True)
sys.stdin.read()
"""


def test_another_process_is_named_and_a_killed_one_leaves_whole_statements(tmp_path: Path) -> None:
    holder = Process(HOLD, tmp_path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    with pytest.raises(LockedError, match=rf"is open in another process \(process {holder.pid} on"):
        connect(tmp_path, share=False)
    holder.kill()
    holder.wait()
    connection = connect(tmp_path, "LOCAL")
    assert connection.cursor().execute("SELECT a FROM t").fetchall() == [(1,)]
    connection.close()


def test_a_connection_without_a_database_says_so() -> None:
    connection = connect()
    with pytest.raises(Exception, match="This session does not have a current database"):
        connection.cursor().execute("CREATE TABLE t (a INT)")
    connection.close()


AT_EXIT = """
import atexit, pathlib, sys
from snowpipe_ml.local import connect
folder = pathlib.Path(sys.argv[1])
for name in ("a.csv", "b.csv"):
    (folder / name).write_bytes(b"1\\r\\n2\\n")
connection = connect(folder / "warehouse", "D")
run = lambda text: connection.cursor().execute(text).fetchall()
run("CREATE TABLE t (a INT)")
run("CREATE STAGE s")
run(f"PUT file://{folder}/*.csv @s AUTO_COMPRESS = FALSE")
def copy():
    run("BEGIN")
    run("COPY INTO t FROM @s FILE_FORMAT = (TYPE = CSV)")
    print(run("SELECT SUM(a) FROM t"))
    run("COMMIT")
    connection.close()
atexit.register(copy)
"""


def test_files_are_loaded_in_a_transaction_while_the_process_ends(tmp_path: Path) -> None:
    """Another process may use the warehouse until then."""
    done = python(AT_EXIT, tmp_path)
    assert done.stdout == "[(6,)]\n", done.stderr


def test_what_a_killed_query_has_spilled_is_removed(tmp_path: Path) -> None:
    connect(tmp_path, "D").close()
    (tmp_path / "spill" / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(bytes(1000))
    connect(tmp_path, "D").close()
    assert list((tmp_path / "spill").iterdir()) == []
