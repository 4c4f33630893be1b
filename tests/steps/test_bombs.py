"""Archives that unpack to far more than their size, and endless lines, are streamed and limited."""

from __future__ import annotations

import gzip
import io
import os
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.steps.data import archives
from tests.conftest import ask, write_spec
from tests.trips import zipped

SPEC = """\
stages: {load: {}}
steps:
  extract:
    type: extract
    from: files
    into: "@load/files/"
    refused: refused
    layouts: {ab: {columns: [a, b]}}
"""
MB = 2**20
HEADER = b"a,b\n"
BOMB = 96 * MB  # more than the 64 MB of which any ratio is harmless


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "good.csv").write_bytes(b"a,b\n1,good\n")
    return folder


def pipeline_of(folder: Path, limits: str = "") -> Pipeline:
    return Pipeline.from_yaml(write_spec(folder, SPEC + (f"    limits: {limits}\n" if limits else "")))


def told(result: RunResult) -> str:
    return "\n".join("\n".join((step.message, *step.warnings)) for step in result.steps.values())


def staged(pipeline: Pipeline) -> list[str]:
    """The names of the staged files, without the folder of their archive."""
    return sorted(row[0].rsplit("/", 1)[-1] for row in ask(pipeline, "LIST @load/files/ab/"))


@contextmanager
def measured(limit: int) -> Iterator[None]:
    """Check that the Python objects created inside take at most a number of bytes at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def repeated(sink: Any, size: int) -> None:
    """Write a header and a row of a number of bytes."""
    block = b"1,x\n" * (MB // 4)
    sink.write(HEADER)
    for _ in range(size // MB):
        sink.write(block)


def zip_bomb(path: Path, size: int) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("m.csv", "w") as sink,
    ):
        repeated(sink, size)


def nested_bomb(path: Path, size: int) -> None:
    inner = path.with_name(".inner")
    zip_bomb(inner, size)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "inner.zip")
    inner.unlink()


def gzip_bomb(path: Path, size: int) -> None:
    with gzip.open(path, "wb", compresslevel=1) as sink:
        repeated(sink, size)


BOMBS = {"o.zip": zip_bomb, "nested.zip": nested_bomb, "o.csv.gz": gzip_bomb}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the ratio from 2 MB instead of 64, so that small archives are bombs."""
    monkeypatch.setattr(archives, "_SMALL", 2 * MB)


@pytest.mark.parametrize("name", BOMBS)
def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(
    tmp_path: Path, files: Path, name: str, request: pytest.FixtureRequest
) -> None:
    if name == "o.zip":
        BOMBS[name](files / name, BOMB)
    else:
        request.getfixturevalue("small")
        BOMBS[name](files / name, 3 * MB)
    pipeline = pipeline_of(tmp_path)
    result = pipeline.run()
    assert result.ok, told(result)
    assert len(staged(pipeline)) == 1
    assert ask(pipeline, "SELECT COUNT(*) FROM refused") == [(1,)]
    assert name.removesuffix(".gz") in told(result)
    assert "ratio" in told(result)  # the limit that the spec would have to raise


@pytest.mark.parametrize("limit", ["ratio", "unpacked_mb", "members"])
@pytest.mark.usefixtures("small")
def test_the_spec_sets_the_limits_of_an_archive(tmp_path: Path, files: Path, limit: str) -> None:
    with zipfile.ZipFile(files / "o.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("m.csv", "w") as sink:
            repeated(sink, 3 * MB)
        for number in range(3):
            archive.writestr(f"{number}.csv", HEADER)
    strict = pipeline_of(tmp_path, f"{{ratio: 5000, {limit}: 2}}" if limit != "ratio" else "{ratio: 2}")
    result = strict.run()
    assert result.ok, told(result)
    assert "o.zip" in told(result)
    assert limit in told(result)
    assert len(staged(strict)) == 1
    generous = pipeline_of(tmp_path, "{ratio: 5000, unpacked_mb: 100, members: 10}")
    result = generous.run()
    assert result.ok, told(result)
    assert len(staged(generous)) == 5


def test_the_limits_hold_for_an_archive_with_those_inside_it(tmp_path: Path, files: Path) -> None:
    inner = {f"{number}.csv": HEADER for number in range(3)}
    (files / "o.zip").write_bytes(zipped({"x.zip": zipped(inner), "y.zip": zipped(inner)}))
    result = pipeline_of(tmp_path, "{members: 5}").run()
    assert result.ok, told(result)
    assert "o.zip" in told(result)
    assert "members" in told(result)


@pytest.fixture
def started(tmp_path: Path, files: Path) -> Pipeline:
    """A pipeline that has run once, so that the memory of imports is not counted."""
    pipeline = pipeline_of(tmp_path)
    assert pipeline.run().ok
    return pipeline


def test_a_zip_in_a_zip_is_not_held_in_memory(started: Pipeline, files: Path) -> None:
    noise = os.urandom(32 * MB)  # incompressible, so it is not a bomb
    (files / "o.zip").write_bytes(
        zipped({"inner.zip": zipped({"m.csv": HEADER + b"5,x\n", "noise.bin": noise})})
    )
    del noise
    with measured(24 * MB):
        result = started.run()
    assert result.ok, told(result)
    assert len(staged(started)) == 2


class LongLine(io.RawIOBase):
    """A CSV whose second line has a number of bytes, generated while it is read."""

    def __init__(self, size: int) -> None:
        self._rest = io.BytesIO(HEADER + b"5,")
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._rest.read(len(buffer))
        if not data:
            data = b"x" * min(len(buffer), self._left)
            self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def test_a_line_without_end_is_not_held_in_memory(started: Pipeline, files: Path) -> None:
    """A buffered line would be copied and searched from its start for every chunk that is read."""
    with gzip.open(files / "o.csv.gz", "wb", compresslevel=1) as sink:
        source = LongLine(48 * MB)
        while chunk := source.read(MB):
            sink.write(chunk)
    with measured(24 * MB):
        result = started.run()
    assert result.ok, told(result)
    if len(staged(started)) == 1:
        assert "o.csv" in told(result)
