"""The files and folders that a warehouse creates are accessible only to its user, whatever the umask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.local import connect

WATCH = """
import json, os, stat, sys, tempfile, zipfile
from pathlib import Path

def refuse(mask):
    raise AssertionError("the mask is the whole process's: other threads make files meanwhile")

os.umask = refuse
warehouse = Path(sys.argv[1])

def modes(*places):
    found = {}
    for place in places:
        for path in [place, *place.rglob("*")]:
            try:
                kind = path.lstat().st_mode
            except FileNotFoundError:
                continue
            if not stat.S_ISSOCK(kind):
                found[str(path)] = (stat.S_ISDIR(kind), stat.S_IMODE(kind))
    return found

def tell(found):
    print(json.dumps(found), flush=True)
"""
WORK = """
from snowpipe_ml.local import connect

connection = connect(warehouse, "D")
cursor = connection.cursor()
run = cursor.execute
run("CREATE TABLE t AS SELECT SEQ4() AS n, MD5(SEQ4()::VARCHAR) AS s FROM TABLE(GENERATOR(ROWCOUNT => 200000))")
run("CREATE DATABASE e")
run("CREATE TABLE e.public.t (n INT)")
run("USE SCHEMA d.public")

run("CREATE STAGE files")
here = Path("sources")
here.mkdir()
(here / "a.csv").write_text("1,2\\n")
(here / "coded.py").write_text("def same(n):\\n    return n\\n")
with zipfile.ZipFile(here / "packed.zip", "w") as archive:
    archive.writestr("packed.py", "def same(n):\\n    return n\\n")
run(f"PUT file://{here.resolve()}/a.csv @files/below/there")
for name in ("coded.py", "packed.zip", "a.csv"):
    run(f"PUT file://{here.resolve()}/{name} @files AUTO_COMPRESS = FALSE")
for kind in ("CSV", "PARQUET"):
    run(f"COPY INTO @files/out/{kind} FROM t FILE_FORMAT = (TYPE = {kind})")
run("COPY INTO @files/out/JSON FROM (SELECT OBJECT_CONSTRUCT('n', n) FROM t) FILE_FORMAT = (TYPE = JSON)")
run("CREATE STAGE others")
run("COPY FILES INTO @others/copied/ FROM @files")
run("CREATE SCHEMA cloned CLONE public")
run("USE SCHEMA public")
run("CREATE TEMPORARY STAGE passing")
run(f"PUT file://{here.resolve()}/a.csv @passing")

for name, imported in (("coded", "coded.py"), ("packed", "packed.zip")):
    run(f"CREATE FUNCTION {name}_same(n INT) RETURNS INT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' "
        f"IMPORTS = ('@files/{imported}') PACKAGES = () HANDLER = '{name}.same'")
    run(f"SELECT {name}_same(1)")
"""


def said(script: str, *arguments: object, folder: Path) -> list[dict[str, tuple[bool, int]]]:
    """Run a script in a process whose umask makes files writable for everyone."""
    (folder / "temporary").mkdir(mode=0o700)
    (folder / "work").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WATCH + script, *map(str, arguments)],
        env={**environment, "TMPDIR": str(folder / "temporary")},
        cwd=folder / "work",
        umask=0,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def open_to_others(found: dict[str, Any]) -> list[str]:
    """The files and folders that anyone but their owner may use."""
    return sorted(path for path, (_, mode) in found.items() if mode & 0o077)


def test_the_files_of_a_warehouse_are_its_users_alone(tmp_path: Path) -> None:
    during, temporary, after = said(
        WORK
        + """
tell(modes(warehouse))
tell(modes(*Path(tempfile.gettempdir()).iterdir()))
connection.close()
tell(modes(warehouse))
""",
        tmp_path / "warehouse",
        folder=tmp_path,
    )
    names = {Path(path).name for path in during}
    assert {
        "D.duckdb",
        "D.duckdb.wal",
        "E.duckdb",
        "warehouse.lock",
        "coded.py",
        "packed.zip",
        "a.csv.gz",
    } <= names
    assert open_to_others(during) == []
    assert open_to_others(after) == []
    # No folder is open to others, so they cannot reach the files in it.
    assert [path for path, (is_folder, mode) in temporary.items() if is_folder and mode & 0o077] == []


def test_the_log_stays_its_users_alone_when_it_begins_anew(tmp_path: Path) -> None:
    script = """
from snowpipe_ml.local import connect

with connect(warehouse, "D") as connection:
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (n INT, s VARCHAR)")
    log = warehouse / "databases" / "D.duckdb.wal"
    before = size = 0
    for _ in range(100):  # until DuckDB has checkpointed the log into the database file and started a new one
        cursor.execute("INSERT INTO t SELECT SEQ4(), RPAD(SEQ4()::VARCHAR, 1000) "
                       "FROM TABLE(GENERATOR(ROWCOUNT => 3000))")
        before, size = size, log.stat().st_size if log.exists() else 0
        if size < before:
            break
    else:
        raise AssertionError("the log was not started again")
    cursor.execute("INSERT INTO t VALUES (1, NULL)")
    tell(modes(warehouse))
"""
    (found,) = said(script, tmp_path / "warehouse", folder=tmp_path)
    assert "D.duckdb.wal" in {Path(path).name for path in found}
    assert open_to_others(found) == []


@pytest.mark.slow
def test_what_does_not_fit_into_memory_is_written_into_the_warehouse_and_for_its_user_alone(
    tmp_path: Path,
) -> None:
    script = """
import threading
import duckdb

connect_duckdb = duckdb.connect
duckdb.connect = lambda *args, config=None, **named: connect_duckdb(
    *args, config={**(config or {}), "memory_limit": "50MB", "threads": 1}, **named)

from snowpipe_ml.local import connect

seen, done = {}, threading.Event()

def watch():
    while not done.is_set():
        seen.update(modes(warehouse, Path.cwd()))

with connect(warehouse, "D") as connection:
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        connection.cursor().execute("CREATE TABLE t AS SELECT MD5(SEQ4()::VARCHAR) AS h "
                                    "FROM TABLE(GENERATOR(ROWCOUNT => 1000000)) ORDER BY h")
    finally:
        done.set()
        watcher.join()
tell({path: mode for path, mode in seen.items() if "duckdb_temp" in path or path.endswith("tmp")})
"""
    (found,) = said(script, tmp_path / "warehouse", folder=tmp_path)
    assert found, "nothing was written aside"
    assert [path for path in found if not path.startswith(str(tmp_path / "warehouse"))] == []
    # DuckDB creates these files with the umask of the process; their folder keeps others out.
    assert [path for path, (is_folder, mode) in found.items() if is_folder and mode & 0o077] == []


@pytest.mark.slow
def test_a_warehouse_that_an_earlier_version_made_is_closed_to_others_when_it_is_opened(
    tmp_path: Path,
) -> None:
    (tmp_path / "made").mkdir()
    said(WORK + "connection.close()", tmp_path / "warehouse", folder=tmp_path / "made")
    for path in (tmp_path / "warehouse").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with connect(tmp_path / "warehouse", "D"):
        pass
    folders = [path for path in (tmp_path / "warehouse").iterdir() if path.is_dir()]
    assert {path.name for path in folders} >= {"databases", "functions", "stages"}
    assert [path.name for path in folders if path.stat().st_mode & 0o077] == []
    assert [path for path in tmp_path.glob("warehouse/databases/*") if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("made_before", [False, True])
def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path, made_before: bool) -> None:
    folder = tmp_path / "warehouse"
    if made_before:
        folder.mkdir()
        folder.chmod(0o755)
        (folder / "notes.txt").write_text("the user's own")
        (folder / "notes.txt").chmod(0o644)
    with connect(folder, "D"):
        pass
    assert folder.stat().st_mode & 0o777 == (0o755 if made_before else 0o700)
    assert not made_before or (folder / "notes.txt").stat().st_mode & 0o777 == 0o644
    assert (folder / "databases").stat().st_mode & 0o777 == 0o700
