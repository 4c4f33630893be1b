"""Damaged files of a warehouse: an error that names them, and what `repair` rescues without changing them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from snowpipe_ml.cli.main import main
from snowpipe_ml.local import connect
from snowpipe_ml.local.core.errors import DamagedError, SnowpipeMLError
from snowpipe_ml.local.core.repair import repair

ROWS = 300_000
PAGE = 4096


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed warehouse with a large table in the middle of its file."""
    folder = tmp_path_factory.mktemp("whole") / "w"
    with connect(folder, "D", share=False) as connection:
        cursor = connection.cursor()
        cursor.execute(
            f"CREATE TABLE large AS SELECT SEQ4() AS n, MD5(SEQ4()::VARCHAR) AS s FROM TABLE(GENERATOR(ROWCOUNT => {ROWS}))"
        )
        cursor.execute("CREATE TABLE small (n INT NOT NULL, v VARIANT, s VARCHAR(5))")
        cursor.execute("INSERT INTO small SELECT 1, PARSE_JSON('{\"a\": 1}'), 'x'")
        cursor.execute("CREATE VIEW shown AS SELECT n, UPPER(s) AS u FROM small")
        cursor.execute("CREATE STAGE files")
        path = folder.parent / "a.txt"
        path.write_text("1")
        cursor.execute(f"PUT file://{path} @files AUTO_COMPRESS = FALSE")
    return folder


def over(start: Callable[[int], int], content: bytes) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with file.open("r+b") as target:
            target.seek(start(file.stat().st_size))
            target.write(content)

    return change


def cut(to: Callable[[int], int]) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with file.open("r+b") as target:
            target.truncate(to(file.stat().st_size))

    return change


def asked(folder: Path) -> list[Any]:
    with connect(folder, "D", share=False) as connection:
        cursor = connection.cursor()
        rows: list[Any] = cursor.execute("SELECT COUNT(*), MAX(s) FROM large").fetchall()
        return [
            *rows,
            *cursor.execute("SELECT * FROM shown").fetchall(),
            *cursor.execute("SELECT v:a FROM small").fetchall(),
        ]


@pytest.mark.parametrize(
    ("damage", "rescued"),
    [
        pytest.param(over(lambda size: 0, bytes(PAGE)), ROWS, id="first page"),
        pytest.param(over(lambda size: 2 * PAGE, b"x" * PAGE), None, id="a header"),
        pytest.param(over(lambda size: PAGE, bytes(2 * PAGE)), 0, id="both headers"),
        pytest.param(over(lambda size: size // 2, b"junk" * 1000), None, id="middle"),
        pytest.param(over(lambda size: size // 2, bytes(PAGE)), None, id="a page of zeros"),
        pytest.param(cut(lambda size: size - 300_000), None, id="end"),
        pytest.param(cut(lambda size: 0), 0, id="empty"),
    ],
)
def test_a_damaged_file_is_named_and_rescued_into_a_new_folder(
    warehouse: Path, tmp_path: Path, damage: Callable[[Path], None], rescued: int | None
) -> None:
    folder = tmp_path / "w"
    shutil.copytree(warehouse, folder)
    file = folder / "databases" / "D.duckdb"
    damage(file)
    with pytest.raises(DamagedError, match="snowpipe-ml repair") as caught:
        asked(folder)
    assert str(file) in str(caught.value) or "of the statement's tables" in str(caught.value)
    damaged = file.read_bytes()
    done = CliRunner().invoke(main, ["repair", str(folder), str(tmp_path / "new")])
    assert file.read_bytes() == damaged
    assert isinstance(done.exception, SystemExit | None)
    if rescued is None:  # some of it
        assert "lost" in done.output
        assert done.exit_code == 1
        return
    assert done.exit_code == (0 if rescued else 1), done.output
    if rescued:
        assert asked(tmp_path / "new")[0][0] == rescued
        assert (tmp_path / "new" / "stages").is_dir()
    else:
        assert "nothing can be read" in done.output


def test_only_the_damaged_groups_of_rows_are_lost(warehouse: Path, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    shutil.copytree(warehouse, folder)
    over(lambda size: size // 2, bytes(PAGE))(folder / "databases" / "D.duckdb")
    found = {f"{each.database}.{each.name}": each for each in repair(folder, tmp_path / "new")}
    large = found["D.PUBLIC.LARGE"]
    assert large.rows is not None
    assert ROWS / 2 < large.rows < ROWS
    assert large.lost.startswith("1 of 3 groups of rows")
    counted, *others = asked(tmp_path / "new")
    assert counted[0] == large.rows
    assert others == [(1, "X"), ("1",)]


def test_a_cut_log_costs_the_statements_since_the_last_checkpoint(warehouse: Path, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    shutil.copytree(warehouse, folder)
    connection = connect(folder, "D", share=False)
    connection.cursor().execute("INSERT INTO small SELECT 2, NULL, 'y'")
    shutil.copytree(folder, tmp_path / "cut")  # as a process that is killed leaves it
    connection.close()
    log = tmp_path / "cut" / "databases" / "D.duckdb.wal"
    assert log.stat().st_size > 100
    over(lambda size: size // 2, b"x" * 20)(log)
    found = repair(tmp_path / "cut", tmp_path / "new")
    assert {each.rows for each in found if each.name == "PUBLIC.LARGE"} == {ROWS}
    assert asked(tmp_path / "new")[0][0] == ROWS


def test_the_folders_are_checked(warehouse: Path, tmp_path: Path) -> None:
    with pytest.raises(SnowpipeMLError, match="not the folder of an embedded warehouse"):
        repair(tmp_path / "none", tmp_path / "new")
    with pytest.raises(SnowpipeMLError, match="exists"):
        repair(warehouse, tmp_path)
    with (
        connect(warehouse, "D", share=False),
        pytest.raises(SnowpipeMLError, match="open in another process"),
    ):
        repair(warehouse, tmp_path / "new")
