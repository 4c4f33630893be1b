"""Some random statements, and those that fuzzing has found."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError

import snowpipe_ml.local as local
from snowpipe_ml.errors import SourceFileError
from snowpipe_ml.steps.data.archives import Archive, csv_members
from tests.fuzz import archives, sql


@pytest.fixture(scope="module")
def cursor() -> Iterator[Any]:
    connection = local.connect()
    yield connection.cursor()
    connection.close()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT CAST(1.1 AS DECIMAL(38, 'x'))",
        "SELECT CAST(1.1 AS DECIMAL(38, NULL))",
        "SELECT DATE_PART(, 99)",
        "SELECT * FROM (SELECT 1 AS a) MATCH_RECOGNIZE (ORDER BY a ALL ROWS PER MATCH DEFINE b AS a > 1)",
        "SELECT 1e308.title FROM (SELECT 1)",
    ],
)
def test_what_fuzzing_has_found_is_refused_without_a_traceback(cursor: Any, text: str) -> None:
    assert sql.fault_of(cursor, text) is None
    with pytest.raises(ProgrammingError):
        cursor.execute(text)


def test_random_statements_run_or_are_refused() -> None:
    count, faults = sql.run(seed=22, seconds=60, most=100)
    assert (count, faults) == (100, [])


def test_random_archives_are_read_or_refused(tmp_path: Path) -> None:
    count, faults = archives.run(tmp_path, seed=22, seconds=60, most=200)
    assert (count, faults) == (200, [])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("no name", "a member has no name"),
        ("before", "begin before the file"),
        ("data", "Invalid data stream"),
    ],
)
def test_an_archive_that_cannot_be_is_refused(tmp_path: Path, wrong: str, message: str) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("Z.csv", "a,b\n1,x\n" * 100)
    data = bytearray(path.read_bytes())
    if wrong == "no name":
        data = data.replace(b"Z.csv", b"\0.csv")
    elif wrong == "before":  # the list is said to begin later than it does, so the members begin earlier
        at = data.rindex(b"PK\x05\x06") + 16
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "little") + 9).to_bytes(4, "little")
    else:
        at = data.index(b"Z.csv") + len("Z.csv")
        data[at + 10 : at + 20] = bytes(10)
    path.write_bytes(data)
    with pytest.raises((SourceFileError, zipfile.BadZipFile), match=message):
        [stream.read() for _, stream in csv_members(Archive(path.name, path))]
