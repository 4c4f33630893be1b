from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from snowpipe_ml.errors import SourceFileError
from snowpipe_ml.steps.data.archives import Archive, csv_members, month_of
from snowpipe_ml.steps.data.layouts import layout_of, write_member
from tests.trips import zipped

LAYOUTS = {"old": ["tripduration", "start time"], "new": ["ride_id", "started_at"]}


@pytest.mark.parametrize(
    ("name", "month"),
    [
        ("JC-201509-citibike-tripdata.csv.zip", "2015-09"),
        ("2015-09 - Citi Bike.csv", "2015-09"),
        ("2013-citibike-tripdata.zip", None),
        ("x201513.csv", None),
        ("202001_1.csv", "2020-01"),
    ],
)
def test_months(name: str, month: str | None) -> None:
    assert month_of(name) == month


def members(path: Path) -> dict[str, bytes]:
    return {name: stream.read() for name, stream in csv_members(Archive(path.name, path))}


def test_every_csv_and_never_macosx(tmp_path: Path) -> None:
    inner = zipped({"deep/c.csv": b"c", "readme.txt": b"no"})
    path = tmp_path / "year.zip"
    path.write_bytes(
        zipped(
            {"a.csv": b"a", "__MACOSX/._a.csv": b"\0", "._x.csv": b"\0", "2013/inner.zip": inner, "d/": b""}
        )
    )
    assert members(path) == {"year.zip!a.csv": b"a", "year.zip!2013/inner.zip!deep/c.csv": b"c"}


def test_gzip_and_plain_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a"))
    (tmp_path / "b.csv").write_bytes(b"b")
    assert members(tmp_path / "a.csv.gz") == {"a.csv": b"a"}
    assert members(tmp_path / "b.csv") == {"b.csv": b"b"}


@pytest.mark.parametrize("data", [b"PK\x03\x04 broken", zipped({"a.csv": b"a" * 5000})[:-30]])
def test_a_damaged_archive_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(data)
    with pytest.raises(SourceFileError, match=r"bad.zip: damaged archive"):
        members(path)


def test_archives_without_end_are_refused(tmp_path: Path) -> None:
    data = zipped({"a.csv": b"x"})
    for _ in range(5):
        data = zipped({"inner.zip": data})
    path = tmp_path / "deep.zip"
    path.write_bytes(data)
    with pytest.raises(SourceFileError, match="nested more than 3 deep"):
        members(path)


def test_layouts_are_told_by_titles_alone() -> None:
    assert layout_of(b'"Trip Duration","starttime"\r\n', LAYOUTS, "f") == "old"
    assert layout_of(b"\xef\xbb\xbfride_id,started_at\n", LAYOUTS, "f") == "new"
    with pytest.raises(SourceFileError, match=r"f:1: the header matches none of the layouts old, new: 'a,b'"):
        layout_of(b"a,b\n", LAYOUTS, "f")


def write(tmp_path: Path, text: bytes) -> tuple[str, bytes]:
    import io

    layout, path = write_member(io.BytesIO(text), LAYOUTS, "m.csv", tmp_path, "m.csv.gz")
    return layout, gzip.decompress(path.read_bytes())


def test_members_are_written_as_they_are(tmp_path: Path) -> None:
    text = b"ride_id,started_at\r\n" + b"".join(b"%d,x\r\n" % n for n in range(300_000)) + b"last,y"
    assert write(tmp_path, text) == ("new", text)
    first = (tmp_path / "new" / "m.csv.gz").read_bytes()
    write(tmp_path, text)
    assert (tmp_path / "new" / "m.csv.gz").read_bytes() == first


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"<<<<<<< HEAD\nride_id,started_at\n1,2\n", 1),
        (b"ride_id,started_at\n1,2\n>>>>>>> bba796b\n", 3),
        (b"ride_id,started_at\n" + b"1,2\n" * 400_000 + b"=======\n3,4\n", 400_002),
        (b"ride_id,started_at\n1,2\n>>>>>>> no line end", 3),
    ],
)
def test_conflict_markers_are_named_with_their_line(tmp_path: Path, text: bytes, line: int) -> None:
    with pytest.raises(SourceFileError, match=rf"m.csv:{line}: a git conflict marker") as caught:
        write(tmp_path, text)
    assert caught.value.line == line
