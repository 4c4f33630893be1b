"""The macros are created once for all warehouses, in a file of the user's cache folder."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snowpipe_ml.local.client.connect import connect

CALL = "SELECT TO_CHAR(TO_DATE('2024-02-29'), 'MON dd') || ARRAY_SIZE([1, 2])::VARCHAR"
RESULT = "Feb 292"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "snowpipe-ml" / "macros"


def _answer(warehouse: Path | None = None) -> object:
    with connect(warehouse, "D") as connection:
        return connection.cursor().execute(CALL).fetchone()[0]


def test_the_file_is_created_once_and_for_its_user_alone(folder: Path) -> None:
    assert _answer() == RESULT
    (file,) = folder.iterdir()
    created = file.stat()
    assert _answer() == RESULT
    assert [*folder.iterdir()] == [file]
    assert file.stat().st_mtime_ns == created.st_mtime_ns
    assert created.st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_a_damaged_file_is_created_again(folder: Path, content: bytes | None) -> None:
    _answer()
    (file,) = folder.iterdir()
    file.write_bytes(content if content is not None else file.read_bytes()[:20_000])
    assert _answer() == RESULT
    assert [*folder.iterdir()] == [file]


def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, "snowpipe_ml.local"):
        assert _answer() == RESULT
    assert "set XDG_CACHE_HOME to a folder that can be written to" in caplog.text


def test_a_disk_without_room_for_the_file(folder: Path) -> None:
    code = (
        "import resource, sys; from snowpipe_ml.local.client.connect import connect\n"
        "before = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))\n"
        "with connect(None, 'D') as c: print(c.cursor().execute(sys.argv[1]).fetchone()[0])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, before)  # coverage.py writes its file at the end\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, CALL], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == RESULT, done.stderr
    assert "half a second longer" in done.stderr
    assert [*folder.iterdir()] == []


def test_old_files_are_deleted_when_a_new_one_is_created(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, days in (("macros-old.duckdb", 40), ("macros-older.part", 99), ("macros-new.duckdb", 1)):
        (folder / name).write_text("")
        then = time.time() - days * 24 * 3600
        os.utime(folder / name, (then, then))
    assert _answer() == RESULT
    left = {file.name for file in folder.iterdir()}
    assert "macros-new.duckdb" in left
    assert not left & {"macros-old.duckdb", "macros-older.part"}


@pytest.mark.slow
def test_processes_that_start_together_all_find_the_macros(folder: Path) -> None:
    code = (
        "import sys; from snowpipe_ml.local.client.connect import connect\n"
        "with connect(None, 'D') as c: print(c.cursor().execute(sys.argv[1]).fetchone()[0])"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, CALL], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in started] == [RESULT] * 4
    (_,) = folder.iterdir()


def test_a_view_calls_its_macros_after_the_warehouse_is_opened_again(folder: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse"
    with connect(warehouse, "D") as connection:
        connection.cursor().execute(f"CREATE VIEW D.PUBLIC.V (A) AS {CALL}")
        connection.cursor().execute("CREATE TABLE D.PUBLIC.T (I INT, A VARCHAR DEFAULT TO_CHAR(12, '000'))")
    for file in folder.iterdir():
        file.unlink()
    with connect(warehouse, "D") as connection:
        assert connection.cursor().execute("SELECT A FROM D.PUBLIC.V").fetchone() == (RESULT,)
        connection.cursor().execute("INSERT INTO D.PUBLIC.T (I) VALUES (1)")
        assert connection.cursor().execute("SELECT A FROM D.PUBLIC.T").fetchone() == (" 012",)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM _MACROS.main.T",
        "CREATE TABLE _MACROS.PUBLIC.T (A INT)",
        "USE DATABASE _MACROS",
        "DROP DATABASE _MACROS",
        "SELECT _MACROS.main.sf_random()",
    ],
)
def test_sql_cannot_name_the_database_of_the_macros(statement: str) -> None:
    with connect(None, "D") as connection:
        cursor = connection.cursor()
        with pytest.raises(Exception, match=r"does not exist|not authorized|Unknown|cannot"):
            cursor.execute(statement)
        assert "_MACROS" not in {row[1] for row in cursor.execute("SHOW DATABASES").fetchall()}
