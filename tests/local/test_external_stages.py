"""External stages: the allowed folders, the files that count, and no leftovers of files that were read."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local import connect


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "house" / "warehouse"


@pytest.fixture
def run(warehouse: Path) -> Iterator[Any]:
    """Run a statement and return its rows."""
    warehouse.parent.mkdir()
    connection: Any = connect(warehouse, "D")
    yield lambda text: connection.cursor().execute(text).fetchall()
    connection.close()


@pytest.fixture
def bucket(tmp_path: Path, run: Any) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    run(f"CREATE STAGE e URL = 'file://{folder}' DIRECTORY = (ENABLE = TRUE)")
    run("CREATE TABLE t (a INT)")
    return folder


def write_parquet(path: Path, value: int) -> None:
    pq.write_table(pa.table({"v": [value]}), path)


def names(run: Any, stage: str = "@e") -> list[str]:
    return [row[0].rsplit("/", 1)[1] for row in run(f"LIST {stage}")]


@pytest.mark.parametrize(
    "place", ["", "/databases", "/databases/../stages/x", "/missing", "/..", "/../..", "/../../.."]
)
def test_a_stage_is_not_the_warehouse_nor_around_it(run: Any, warehouse: Path, place: str) -> None:
    for create in ("CREATE STAGE", "CREATE OR REPLACE STAGE"):
        with pytest.raises(ProgrammingError, match="warehouse's own folder"):
            run(f"{create} w URL = 'file://{warehouse}{place}'")
    assert run("SHOW STAGES") == []


def test_a_stage_is_not_a_link_to_the_warehouse(run: Any, warehouse: Path, tmp_path: Path) -> None:
    (tmp_path / "early").symlink_to(warehouse / "databases")
    with pytest.raises(ProgrammingError, match="warehouse's own folder"):
        run(f"CREATE STAGE w URL = 'file://{tmp_path}/early'")
    (tmp_path / "late").mkdir()
    run(f"CREATE STAGE w URL = 'file://{tmp_path}/late'")
    (tmp_path / "late").rmdir()
    (tmp_path / "late").symlink_to(warehouse / "databases")
    before = {file.name for file in (warehouse / "databases").iterdir()}
    for text in (
        "COPY INTO @w/D.duckdb.wal FROM (SELECT 1) SINGLE = TRUE OVERWRITE = TRUE",
        "REMOVE @w",
        "LIST @w",
        "COPY FILES INTO @w FROM @w",
        "GET @w file:///nowhere",
    ):
        with pytest.raises(ProgrammingError, match="warehouse's own folder"):
            run(text)
    assert {file.name for file in (warehouse / "databases").iterdir()} >= before
    run("DROP STAGE w")


def test_a_stage_may_be_beside_the_warehouse_and_behind_a_link(
    run: Any, warehouse: Path, tmp_path: Path
) -> None:
    (tmp_path / "house" / "warehouse2").mkdir()
    (tmp_path / "house" / "warehouse2" / "x.csv").write_text("1\n")
    (tmp_path / "link").symlink_to(tmp_path / "house" / "warehouse2")
    run(f"CREATE STAGE w URL = 'file://{tmp_path}/link/'")
    assert names(run, "@w") == ["x.csv"]


def test_only_files_of_the_folder_are_on_the_stage(run: Any, bucket: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("666\n")
    (bucket / "a.csv").write_text("1\n")
    (bucket / "inside.csv").symlink_to("a.csv")
    (bucket / "outside.csv").symlink_to(tmp_path / "secret.csv")
    (bucket / "nowhere.csv").symlink_to("missing.csv")
    (bucket / "loop.csv").symlink_to("loop.csv")
    os.mkfifo(bucket / "pipe.csv")
    assert names(run) == ["a.csv", "inside.csv"]
    run("ALTER STAGE e REFRESH")
    assert [row[0] for row in run("SELECT RELATIVE_PATH FROM DIRECTORY(@e) ORDER BY 1")] == [
        "a.csv",
        "inside.csv",
    ]
    run("COPY INTO t FROM @e")
    assert run("SELECT a FROM t") == [(1,), (1,)]
    with pytest.raises(ProgrammingError, match="not found"):
        run("COPY INTO t FROM @e FILES = ('outside.csv')")
    run(f"GET @e 'file://{tmp_path}/down'")
    assert sorted(file.name for file in (tmp_path / "down").iterdir()) == ["a.csv", "inside.csv"]


def left(warehouse: Path) -> list[Path]:
    return list((warehouse / "external").rglob("*"))


@pytest.mark.parametrize("linked", [True, False])
def test_nothing_is_left_of_files_that_were_read(
    run: Any, bucket: Path, warehouse: Path, tmp_path: Path, linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not linked:

        def another_file_system(*_: Any, **__: Any) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", another_file_system)
    (bucket / "a.csv").write_text("1\n")
    (bucket / "b.json").write_text('{"v": 2}\n')
    write_parquet(bucket / "c.parquet", 3)
    run("CREATE FILE FORMAT j TYPE = JSON")
    run("CREATE FILE FORMAT p TYPE = PARQUET")
    for text in (
        "LIST @e",
        f"GET @e 'file://{tmp_path}/down'",
        "ALTER STAGE e REFRESH",
        "SELECT * FROM DIRECTORY(@e)",
        "SELECT $1 FROM @e/a.csv",
        "SELECT $1:v FROM @e/b.json (FILE_FORMAT => 'j')",
        "SELECT $1:v, METADATA$FILENAME FROM @e/c (FILE_FORMAT => 'p')",
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@e/c', FILE_FORMAT => 'p'))",
        "COPY INTO t FROM (SELECT $1:v::INT FROM @e/c) FILE_FORMAT = (FORMAT_NAME = 'p')",
        "COPY INTO t FROM @e/a.csv",
    ):
        assert run(text)
        assert left(warehouse) == [], text
    (bucket / "d.csv").write_text("x\n")
    with pytest.raises(ProgrammingError, match="not recognized"):
        run("COPY INTO t FROM @e/d.csv")
    (bucket / "a.csv").write_text("1\n5\n")
    run("COPY INTO t FROM @e/a.csv PURGE = TRUE")
    assert not (bucket / "a.csv").exists()
    assert run("SELECT a FROM t ORDER BY a") == [(1,), (1,), (3,), (5,)]
    assert left(warehouse) == []


def test_a_listed_file_is_not_copied(run: Any, bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a folder was made for a copy")

    (bucket / "a.csv").write_text("1\n")
    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    assert names(run) == ["a.csv"]


def test_a_file_with_mixed_line_ends_is_loaded_once(run: Any, bucket: Path, warehouse: Path) -> None:
    (bucket / "a.csv").write_bytes(b"1\n2\r\n3\r4\n")
    run("COPY INTO t FROM @e")
    assert run("COPY INTO t FROM @e") == [("Copy executed with 0 files processed.",)]
    assert left(warehouse) == []


def test_a_stage_on_another_file_system(run: Any, warehouse: Path) -> None:
    memory = Path("/dev/shm")
    if (
        not memory.is_dir()
        or memory.stat().st_dev == warehouse.stat().st_dev
        or not os.access(memory, os.W_OK)
    ):
        pytest.skip("no second file system here")
    folder = Path(tempfile.mkdtemp(dir=memory))
    try:
        (folder / "a.csv").write_text("1\n")
        run(f"CREATE STAGE m URL = 'file://{folder}'")
        assert run("SELECT $1 FROM @m") == [("1",)]
        assert left(warehouse) == []
    finally:
        shutil.rmtree(folder)


ODD = {
    "x[1]": 1,
    "x1": 2,
    "*": 3,
    "q?": 4,
    "qa": 5,
    "**": 6,
    "[!x]": 7,
    "[": 8,
    "]": 9,
    "{a,b}": 10,
    "it's": 11,
}


@pytest.fixture
def odd(bucket: Path) -> Path:
    for name, value in ODD.items():
        (bucket / f"{name}.csv").write_text(f"{value}\n")
        (bucket / f"{name}.json").write_text(json.dumps({"v": value}))
        write_parquet(bucket / f"{name}.parquet", value)
    return bucket


@pytest.mark.parametrize("internal", [False, True])
@pytest.mark.parametrize(
    ("kind", "ending"), [("TYPE = CSV", "csv"), ("TYPE = JSON", "json"), ("TYPE = PARQUET", "parquet")]
)
def test_a_file_is_read_by_its_name(run: Any, odd: Path, kind: str, ending: str, internal: bool) -> None:
    stage, columns = "@e", "" if ending == "csv" else " MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
    if internal:
        run("CREATE STAGE i")
        run("COPY FILES INTO @i FROM @e")
        stage = "@i"
    run("CREATE OR REPLACE TABLE t (v INT)")
    for name, value in ODD.items():
        file = f"{name}.{ending}".replace("'", "''")
        run(f"COPY INTO t FROM {stage} FILES = ('{file}') FILE_FORMAT = ({kind}){columns}")
        assert run("SELECT v FROM t") == [(value,)], name
        run("DELETE FROM t")
    run("CREATE OR REPLACE TABLE t (v INT)")
    run(f"COPY INTO t FROM {stage} PATTERN = '.*[.]{ending}' FILE_FORMAT = ({kind}){columns}")
    assert run("SELECT v FROM t ORDER BY v") == [(value,) for value in sorted(ODD.values())]


def test_rejected_rows_of_such_a_file_are_told_of(run: Any, bucket: Path) -> None:
    (bucket / "x[1].csv").write_text("1\nbad\n")
    (bucket / "x1.csv").write_text("2\n")
    done = run("COPY INTO t FROM @e ON_ERROR = CONTINUE")
    assert [(row[0].rsplit("/", 1)[1], row[1], row[5]) for row in done] == [
        ("x1.csv", "LOADED", 0),
        ("x[1].csv", "PARTIALLY_LOADED", 1),
    ]
    assert run("SELECT a FROM t ORDER BY a") == [(1,), (2,)]


def test_such_files_are_listed_fetched_and_removed_alone(run: Any, odd: Path, tmp_path: Path) -> None:
    for path, name in (("@e/x[1].csv", "x[1].csv"), ("'@e/*.csv'", "*.csv"), ("'@e/q?.csv'", "q?.csv")):
        assert names(run, path) == [name]
        assert [row[0] for row in run(f"GET {path} 'file://{tmp_path}/down'")] == [name]
        assert (tmp_path / "down" / name).read_bytes() == (odd / name).read_bytes()
        assert len(run(f"REMOVE {path}")) == 1
        assert not (odd / name).exists()
    assert (odd / "x1.csv").exists()


@pytest.mark.parametrize(
    ("kind", "ending"), [("TYPE = CSV", "csv"), ("TYPE = JSON", "json"), ("TYPE = PARQUET", "parquet")]
)
def test_a_folder_that_is_named_like_a_partition_adds_and_replaces_no_column(
    run: Any, bucket: Path, kind: str, ending: str
) -> None:
    folder = bucket / "v=7" / "w=8"
    folder.mkdir(parents=True)
    (folder / "x.csv").write_text("1\n")
    (folder / "x.json").write_text('{"v": 1}\n')
    write_parquet(folder / "x.parquet", 1)
    run("CREATE STAGE i")
    run("COPY FILES INTO @i FROM @e")
    run("CREATE OR REPLACE TABLE t (v INT)")
    columns = "" if ending == "csv" else " MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
    run(f"COPY INTO t FROM @i PATTERN = '.*[.]{ending}' FILE_FORMAT = ({kind}){columns}")
    assert run("SELECT v FROM t") == [(1,)]
    if ending != "csv":
        run(f"CREATE FILE FORMAT f {kind}")
        ((record,),) = run(f"SELECT $1 FROM @i (FILE_FORMAT => 'f', PATTERN => '.*[.]{ending}')")
        assert json.loads(record) == {"v": 1}
