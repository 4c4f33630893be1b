"""A full disk: confirmed rows are kept, and the closed warehouse can be reopened to read and free space."""

from __future__ import annotations

import contextlib
import fcntl
import json
import resource
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import Error

from snowpipe_ml.local import connect
from snowpipe_ml.local.core import checkpoints
from snowpipe_ml.local.core.errors import DiskFullError
from snowpipe_ml.local.server.tokens import token_of
from tests.forked import python

LOG_SIZE = 2 * 2**20  # bytes; a shorter log than usual is filled with fewer statements
FILLER = 150_000  # rows that take more room than a log


@pytest.fixture(scope="module", autouse=True)
def short_logs() -> Iterator[None]:
    """Checkpoints after 2 MiB of log in this process; the tests on a small disk use processes with the usual 16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "_LOG_SIZE", LOG_SIZE)
        yield


@contextlib.contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Let no file of this process or its children grow beyond a size: a disk without space, on any machine.

    The kernel answers a longer write with EFBIG instead of ENOSPC; the code that hears it is the same.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(connection: Any) -> tuple[int, str]:
    """Insert small batches until one fails; return the number of confirmed rows and the error."""
    cursor = connection.cursor()
    told = 0
    # DuckDB first writes batches below 100 kB to its log, so the checkpoint is what fails afterwards.
    for _ in range(600):
        try:
            cursor.execute(
                "INSERT INTO t SELECT SEQ4(), MD5(RANDOM()::VARCHAR) FROM TABLE(GENERATOR(ROWCOUNT => 2000))"
            )
        except Error as raised:
            return told, str(raised)
        told += 2000
    raise AssertionError("the disk did not fill")


def limit_of(folder: Path) -> int:
    """Create a warehouse whose next checkpoint exceeds a size limit for files; return that limit."""
    with connect(folder, "D") as connection:
        cursor = connection.cursor()
        cursor.execute(
            f"CREATE TABLE filler AS SELECT MD5(RANDOM()::VARCHAR) AS s FROM TABLE(GENERATOR(ROWCOUNT => {FILLER}))"
        )
        cursor.execute("CREATE TABLE t (n INT, s VARCHAR)")
    size = (folder / "databases" / "D.duckdb").stat().st_size
    assert size > 1.25 * LOG_SIZE  # the log grows to its size before there is a checkpoint
    return size


@pytest.fixture(scope="module")
def nearly_full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("nearly") / "warehouse"
    return folder, limit_of(folder)


@pytest.fixture
def warehouse(nearly_full: tuple[Path, int], tmp_path: Path) -> tuple[Path, int]:
    """A copy of such a warehouse, and the limit."""
    shutil.copytree(nearly_full[0], tmp_path / "warehouse")
    return tmp_path / "warehouse", nearly_full[1]


def durable_rows(folder: Path, aside: Path) -> list[Any]:
    """The rows of T in the files, regardless of the state of the process that has them open."""
    shutil.copytree(folder / "databases", aside / "databases")
    with connect(aside, "D") as connection:
        rows: list[Any] = connection.cursor().execute("SELECT COUNT(*) FROM t").fetchall()
        return rows


def is_held(folder: Path) -> bool:
    with (folder / "warehouse.lock").open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def test_what_was_told_as_failed_is_not_there_and_what_was_told_as_done_is(
    warehouse: tuple[Path, int], tmp_path: Path
) -> None:
    folder, size = warehouse
    connection = connect(folder, "D")
    with files_end_at(size):
        told, _ = fill(connection)
    assert durable_rows(folder, tmp_path / "aside") == [(told,)]
    with contextlib.suppress(Exception):
        connection.close()


def test_a_transaction_that_was_told_as_failed_is_not_there(
    warehouse: tuple[Path, int], tmp_path: Path
) -> None:
    folder, size = warehouse
    connection = connect(folder, "D")
    cursor = connection.cursor()
    told = 0
    with files_end_at(size), contextlib.suppress(Error):
        for _ in range(600):
            cursor.execute("BEGIN")
            cursor.execute(
                "INSERT INTO t SELECT SEQ4(), MD5(RANDOM()::VARCHAR) FROM TABLE(GENERATOR(ROWCOUNT => 1000))"
            )
            cursor.execute(
                "INSERT INTO t SELECT SEQ4(), MD5(RANDOM()::VARCHAR) FROM TABLE(GENERATOR(ROWCOUNT => 1000))"
            )
            cursor.execute("COMMIT")
            told += 2000
    assert durable_rows(folder, tmp_path / "aside") == [(told,)]
    with contextlib.suppress(Exception):
        connection.close()


def test_after_a_failed_statement_the_session_reads_on(warehouse: tuple[Path, int]) -> None:
    folder, size = warehouse
    connection = connect(folder, "D")
    with files_end_at(size):
        told, message = fill(connection)
        assert "SQL compilation error" not in message
        assert "DuckDB" not in message
        assert "File too large" in message
        assert connection.cursor().execute("SELECT COUNT(*) FROM t").fetchall() == [(told,)]
        connection.close()


def test_a_full_warehouse_closes_and_is_let_go(warehouse: tuple[Path, int]) -> None:
    folder, size = warehouse
    connection = connect(folder, "D")
    with files_end_at(size):
        fill(connection)
        connection.close()
        assert not is_held(folder)


def test_a_full_warehouse_opens_to_be_read(warehouse: tuple[Path, int]) -> None:
    folder, size = warehouse
    connection = connect(folder, "D")
    with files_end_at(size):
        told, _ = fill(connection)
        cursor = connection.cursor()
        with contextlib.suppress(Error):  # until not even a small record fits into the log
            for n in range(5000):
                cursor.execute(f"INSERT INTO t VALUES ({n}, NULL)")
                told += 1
        with contextlib.suppress(Exception):
            connection.close()
        with connect(folder, "D", timeout=0) as connection:
            assert connection.cursor().execute("SELECT COUNT(*) FROM t").fetchall() == [(told,)]


ASK = """
import sys
from snowpipe_ml.local import connect
try:
    with connect(sys.argv[1], "D", timeout=120) as connection:
        print("read", connection.cursor().execute("SELECT COUNT(*) FROM filler").fetchone()[0])
except Exception as raised:
    print(type(raised).__name__, raised)
"""


@pytest.mark.slow
def test_another_process_costs_the_holder_of_a_full_warehouse_no_traceback(
    warehouse: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    escaped: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda raised: escaped.append(str(raised.exc_value)))
    folder, size = warehouse
    connection = connect(folder, "D")
    with files_end_at(size):
        fill(connection)
        asked = python(ASK, folder, timeout=300)
        with contextlib.suppress(Exception):
            connection.close()
    assert escaped == []
    assert asked.stdout == f"read {FILLER}\n", asked.stderr


def test_a_database_that_could_not_be_made_does_not_keep_the_warehouse_shut(tmp_path: Path) -> None:
    with (
        connect(tmp_path, "D") as connection,
        files_end_at(4096),
        pytest.raises(Error, match="File too large"),
    ):
        connection.cursor().execute("CREATE DATABASE e")
    with connect(tmp_path, "D") as connection:
        assert [row[1] for row in connection.cursor().execute("SHOW DATABASES").fetchall()] == ["D"]
        connection.cursor().execute("CREATE DATABASE e")


def test_a_database_that_was_dropped_without_space_is_gone(tmp_path: Path) -> None:
    with connect(tmp_path, "D") as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE e")
        cursor.execute(
            "CREATE TABLE e.public.t AS SELECT MD5(RANDOM()::VARCHAR) AS s FROM TABLE(GENERATOR(ROWCOUNT => 20000))"
        )
        with files_end_at(4096):
            cursor.execute("DROP DATABASE e")
    assert sorted(path.name for path in (tmp_path / "databases").glob("E.*")) == []


def test_a_file_that_has_no_space_on_a_stage_is_an_error_of_its_statement(tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(range(256)) * 64)
    with connect(tmp_path / "warehouse", "D") as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE STAGE s")
        with files_end_at(4096), pytest.raises(Error, match="File too large"):
            cursor.execute(f"PUT file://{tmp_path}/large.bin @s AUTO_COMPRESS = FALSE")
        assert cursor.execute("LIST @s").fetchall() == []


def test_a_lock_that_cannot_be_noted_is_not_kept(tmp_path: Path) -> None:
    connect(tmp_path, "D").close()
    with files_end_at(0), contextlib.suppress(Exception):
        connect(tmp_path, "D", timeout=0).close()
    assert not is_held(tmp_path)


def test_a_token_that_could_not_be_written_is_not_an_empty_one(tmp_path: Path) -> None:
    with files_end_at(0), pytest.raises(OSError, match="File too large"):
        token_of(tmp_path)
    assert len(token_of(tmp_path)) > 20


# A separate mount namespace ends with its processes, so nothing needs to be unmounted.
ON_A_SMALL_DISK = 'mount -t tmpfs -o size="$1" tmpfs "$0" && shift && exec "$@"'


@pytest.fixture
def small_disk(tmp_path: Path) -> Callable[..., list[Any]]:
    """Run a script on a small file system; return its output, which has one JSON value per line."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, str(place)]
    if (
        not shutil.which("unshare")
        or subprocess.run([*command, "1m", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("a file system cannot be mounted here")

    def run(script: str, size: str = "24m") -> list[Any]:
        done = subprocess.run(
            [
                *command,
                size,
                sys.executable,
                "-W",
                "ignore",
                "-c",
                HELPERS + textwrap.dedent(script),
                str(place),
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr[-3000:]
        assert done.returncode == 0
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


HELPERS = """
import json, os, subprocess, sys
from pathlib import Path
from snowpipe_ml.local import connect

place = Path(sys.argv[1])

def tell(value):
    print(json.dumps(value), flush=True)

def fill(cursor, rows):
    told = 0
    while True:
        try:
            cursor.execute(f"INSERT INTO t SELECT SEQ4(), MD5(RANDOM()::VARCHAR) FROM TABLE(GENERATOR(ROWCOUNT => {rows}))")
        except Exception as raised:
            return told, str(raised)
        told += rows

def leave_nothing():
    # Other processes use the disk too, and take the last free block.
    with open(place / "others", "ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
"""


@pytest.mark.parametrize(
    ("rows", "size"),
    [
        pytest.param(2000, "8m", id="by the log", marks=pytest.mark.slow),
        pytest.param(50000, "24m", id="by a checkpoint", marks=pytest.mark.slow),
        pytest.param(150000, "24m", id="by the table"),
    ],
)
def test_a_full_disk_is_told_and_read_and_made_room_on(
    small_disk: Callable[..., list[Any]], rows: int, size: str
) -> None:
    script = f"""
        connection = connect(place / "warehouse", "D")
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE t (n INT, s VARCHAR)")
        told, message = fill(cursor, {rows})
        tell(told)
        tell(message)
        leave_nothing()
        tell(cursor.execute("SELECT COUNT(*) FROM t").fetchone()[0])
        connection.close()
        leave_nothing()
        with connect(place / "warehouse", "D", timeout=0) as connection:
            cursor = connection.cursor()
            tell(cursor.execute("SELECT COUNT(*) FROM t").fetchone()[0])
            cursor.execute("DROP TABLE t")
            cursor.execute("CREATE TABLE u AS SELECT SEQ4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 1000))")
        with connect(place / "warehouse", "D", timeout=0) as connection:
            tell(connection.cursor().execute("SELECT COUNT(*) FROM u").fetchone()[0])
    """
    told, message, counted, again, after = small_disk(script, size)
    assert "No space left on device" in message
    assert "SQL compilation error" not in message
    assert (counted, again, after) == (told, told, 1000)


@pytest.mark.slow
def test_the_command_line_tells_of_a_full_disk_in_its_own_words(
    small_disk: Callable[..., list[Any]],
) -> None:
    ran, dropped = small_disk("""
        query = "SELECT SEQ4() AS N, MD5(RANDOM()::VARCHAR) AS S FROM TABLE(GENERATOR(ROWCOUNT => 100000))"
        lines = ["name: demo", "targets:", "  local: {type: local, path: warehouse, database: DEMO}", "steps:"]
        lines += [f"  s{n}: {{type: transform, query: '{query}', writes: t{n}}}" for n in range(12)]
        (place / "spec.yaml").write_text("\\n".join(lines))
        for words in (["run"], ["sql", "DROP TABLE T0"]):
            command = [sys.executable, "-W", "ignore", "-m", "snowpipe_ml", words[0], "spec.yaml", *words[1:]]
            done = subprocess.run(command, cwd=place, capture_output=True, text=True)
            tell([done.returncode, done.stdout[-2000:], done.stderr[-2000:]])
    """)
    assert ran[0] == 1
    assert "No space left on device" in ran[1] + ran[2]
    assert "Traceback" not in ran[2] + dropped[2]
    assert dropped[0] == 0, dropped
    assert "T0 successfully dropped" in dropped[1]


def test_a_text_that_reads_like_a_full_disk_is_none(tmp_path: Path) -> None:
    with connect(tmp_path / "warehouse", "D") as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE t (n INT)")
        for text in (
            "SELECT 'No space left on device'::INT",
            'SELECT "File too large" FROM t',
            'SELECT * FROM "File too large"',
        ):
            with pytest.raises(Error) as caught:
                cursor.execute(text)
            assert not isinstance(caught.value, DiskFullError)
            assert "is full" not in str(caught.value)
