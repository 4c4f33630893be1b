"""Several processes that share one warehouse, and processes that are killed."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from snowflake.connector.errors import OperationalError

from snowpipe_ml.errors import LockedError
from snowpipe_ml.local import connect
from tests.forked import Process


def line(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


WRITE = """
import sys
from snowpipe_ml.local import connect
path, number = sys.argv[1], int(sys.argv[2])
for turn in range(3):
    with connect(path, "D") as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS t (n INT)")
        for n in range(5):
            cursor.execute(f"INSERT INTO t VALUES ({number * 100 + turn * 10 + n})")
"""


def test_sessions_that_begin_at_once_make_a_database_once(tmp_path: Path) -> None:
    for number in range(5):
        with connect(tmp_path, "D"), ThreadPoolExecutor(8) as pool:
            together = threading.Barrier(8)

            def begin(place: int, name: str, together: threading.Barrier) -> int:
                together.wait()
                with connect(tmp_path, name) as connection:
                    return int(connection.cursor().execute("SELECT 1").fetchall()[0][0])

            assert list(pool.map(begin, range(8), [f"E{number}"] * 8, [together] * 8)) == [1] * 8


@pytest.mark.slow
def test_ten_processes_lose_nothing(tmp_path: Path) -> None:
    writers = [Process(WRITE, tmp_path, number) for number in range(10)]
    for writer in writers:
        _, said = writer.communicate(timeout=120)
        assert writer.returncode == 0, said
    with connect(tmp_path, "D") as connection:
        assert connection.cursor().execute("SELECT COUNT(*), COUNT(DISTINCT n) FROM t").fetchall() == [
            (150, 150)
        ]


HOLD = """
import sys
from snowpipe_ml.local import connect
connection = connect(sys.argv[1], "D")
cursor = connection.cursor()
cursor.execute("CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS a")
cursor.execute("BEGIN")
cursor.execute("INSERT INTO t VALUES (2)")
print("ready", flush=True)
sys.stdin.readline()
cursor.execute("COMMIT")
connection.close()
print("closed", flush=True)
"""


def test_a_second_process_reads_while_the_first_works(tmp_path: Path) -> None:
    holder = Process(HOLD, tmp_path)
    assert line(holder) == "ready"
    with pytest.raises(LockedError, match=rf"is open in another process \(process {holder.pid} on"):
        connect(tmp_path, share=False)
    guest = connect(tmp_path, "D")
    cursor = guest.cursor()
    assert cursor.execute("SELECT a FROM t").fetchall() == [(1,)]  # uncommitted changes are invisible
    (tmp_path / "up.csv").write_text("7\n")
    cursor.execute("CREATE STAGE s")
    cursor.execute(f"PUT file://{tmp_path}/up.csv @s")
    cursor.execute(
        "CREATE FUNCTION plus(x INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' "
        "AS $$\ndef h(x):\n    return x + 1\n$$"
    )
    assert cursor.execute("SELECT plus($1::INT) FROM @s").fetchall() == [(8,)]
    print("go on", file=holder.stdin, flush=True)
    assert holder.stderr is not None
    assert "waiting for other processes" in holder.stderr.readline()
    assert holder.poll() is None
    assert cursor.execute("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (2,)]
    guest.close()
    assert line(holder) == "closed"
    holder.communicate()
    with connect(tmp_path, "D", share=False) as connection:
        assert connection.cursor().execute("SELECT COUNT(*) FROM t").fetchone() == (2,)


def test_a_guest_is_told_that_its_holder_is_gone(tmp_path: Path) -> None:
    holder = Process(HOLD, tmp_path)
    assert line(holder) == "ready"
    guest = connect(tmp_path, "D")
    holder.kill()
    holder.communicate()
    with pytest.raises(OperationalError, match=rf"the session is lost: process {holder.pid} on .* has ended"):
        guest.cursor().execute("SELECT 1")
    assert guest.is_closed()
    with connect(tmp_path, "D") as connection:
        assert connection.cursor().execute("SELECT a FROM t").fetchall() == [(1,)]


def test_a_killed_guest_leaves_its_transaction_undone(tmp_path: Path) -> None:
    with connect(tmp_path, "D") as connection:
        guest = Process(HOLD, tmp_path)
        assert line(guest) == "ready"
        guest.kill()
        guest.communicate()
        assert connection.cursor().execute("SELECT a FROM t").fetchall() == [(1,)]


# Each loop repeats one kind of statement; after a kill, each statement was applied completely or not at all.
WORK = """
import sys
from snowpipe_ml.local import connect
connection = connect(sys.argv[1], "D", share=False)
cursor = connection.cursor()
print("ready", flush=True)
# The previous process may have been killed between its INSERT and its log entry.
n = cursor.execute("SELECT COALESCE(MAX(n), 0) FROM (SELECT n FROM log UNION ALL SELECT n FROM called)").fetchone()[0]
while True:
    n += 1
    cursor.execute("TRUNCATE TABLE loaded")
    cursor.execute("COPY INTO loaded FROM @s FILE_FORMAT = (TYPE = CSV)")
    cursor.execute(f"CREATE OR REPLACE TABLE made AS SELECT seq4() AS i, {n} AS n FROM TABLE(GENERATOR(ROWCOUNT => 20000))")
    cursor.execute(f"MERGE INTO merged USING (SELECT seq4() AS i FROM TABLE(GENERATOR(ROWCOUNT => 2000))) x ON merged.i = x.i "
                   f"WHEN MATCHED THEN UPDATE SET n = {n} WHEN NOT MATCHED THEN INSERT (i, n) VALUES (x.i, {n})")
    cursor.execute(f"INSERT INTO called SELECT f(i), {n} FROM merged")
    cursor.execute(f"INSERT INTO log VALUES ({n})")
"""


def kill_at_random_moments(folder: Path, times: int) -> None:
    with connect(folder, "D") as connection:
        cursor = connection.cursor()
        for name, columns in (
            ("log", "n INT"),
            ("loaded", "a INT, b INT"),
            ("merged", "i INT, n INT"),
            ("called", "i INT, n INT"),
        ):
            cursor.execute(f"CREATE TABLE {name} ({columns})")
        cursor.execute("CREATE STAGE s")
        for part in range(3):
            (folder / f"{part}.csv").write_text("".join(f"{i},{part}\n" for i in range(5000)))
            cursor.execute(f"PUT file://{folder}/{part}.csv @s")
        cursor.execute(
            "CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'h' "
            "AS $$\ndef h(x):\n    return x * 2\n$$"
        )
    chance = random.Random(20261122)
    for _ in range(times):
        worker = Process(WORK, folder)
        assert line(worker) == "ready", worker.communicate()[1]
        time.sleep(chance.uniform(0.05, 0.9))
        worker.kill()
        worker.communicate()
        with connect(folder, "D") as connection:
            cursor = connection.cursor()
            counts = dict(
                cursor.execute(
                    "SELECT 'loaded', COUNT(*) FROM loaded UNION ALL SELECT 'merged', COUNT(*) FROM merged "
                    "UNION ALL SELECT 'versions', COUNT(DISTINCT n) FROM merged"
                ).fetchall()
            )
            assert counts["loaded"] in (0, 15000)
            assert (counts["merged"], counts["versions"]) in ((0, 0), (2000, 1))
            # The load history of a COPY is written together with its rows.
            remembered = cursor.execute(
                "SELECT COALESCE(SUM(row_count), 0) FROM information_schema.load_history WHERE table_name = 'LOADED'"
            ).fetchone()
            assert remembered == (counts["loaded"],)
            for n, rows, total in cursor.execute(
                "SELECT n, COUNT(*), SUM(i) FROM called GROUP BY n"
            ).fetchall():
                assert (rows, total) == (2000, 2000 * 1999), n
            made = cursor.execute(
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'MADE'"
            ).fetchone()
            if made == (1,):
                assert cursor.execute("SELECT COUNT(*), COUNT(DISTINCT n) FROM made").fetchone() == (20000, 1)


@pytest.mark.parametrize("times", [3, pytest.param(30, marks=pytest.mark.stress)])
def test_killed_at_any_moment_each_statement_was_done_whole_or_not_at_all(tmp_path: Path, times: int) -> None:
    kill_at_random_moments(tmp_path, times)
