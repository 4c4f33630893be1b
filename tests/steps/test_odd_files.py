"""One invalid file among good ones is refused by name, and the good ones are loaded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.steps.data.archives import folder_archives
from tests.conftest import ask, write_spec
from tests.trips import zipped

SPEC = """\
stages: {load: {}}
file_formats: {csv: {skip_header: 1, field_optionally_enclosed_by: '"'}}
tables: {raw: {columns: {A: number, B: varchar}}}
steps:
  extract:
    type: extract
    from: files
    into: "@load/files/"
    refused: refused
    layouts: {ab: {columns: [a, b]}}
    retries: 0
  load: {type: copy_into, from: "@load/files/ab/", into: raw, file_format: csv, on_error: continue, rejects: rejects}
"""
CSV = b"a,b\n5,odd\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "good.csv").write_bytes(b"a,b\n1,good\n")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Callable[[], tuple[Pipeline, RunResult]]:
    def run() -> tuple[Pipeline, RunResult]:
        pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
        return pipeline, pipeline.run()

    return run


def told(result: RunResult) -> str:
    """All messages, errors and warnings of a run."""
    return "\n".join("\n".join((step.message, *step.warnings)) for step in result.steps.values())


def rows_of(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return ask(pipeline, "SELECT A, B FROM raw ORDER BY A, B")


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("m.csv")
        member.size = len(CSV)
        archive.addfile(member, io.BytesIO(CSV))
    return out.getvalue()


NO_TEXT = {
    "o1.tar.gz": gzip.compress(tarred()),
    "o2.tar": tarred(),
    "o3.csv.bz2": bz2.compress(CSV),
    "o4.csv.xz": lzma.compress(CSV),
    "o5.zip.gz": gzip.compress(zipped({"m.csv": CSV})),
    "o6.csv.gz": gzip.compress(gzip.compress(CSV)),
    ".DS_Store": b"\0\0\0\1Bud1\0\0\x10\0",
    "nul.csv": b"a,\0b,c\n5,odd\n",
    "cr.csv": b"a,b\r5,odd\r6,odd\r",
    "utf16.csv": CSV.decode().encode("utf-16"),
    "utf16be.csv": CSV.decode().encode("utf-16-be"),
}


@pytest.fixture(scope="module")
def no_text(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[Any, ...]], str]:
    """The refused files, and what was told of them, of a run with a good file beside all that is not text."""
    folder = tmp_path_factory.mktemp("no_text")
    (folder / "files").mkdir()
    (folder / "files" / "good.csv").write_bytes(b"a,b\n1,good\n")
    for name, data in NO_TEXT.items():
        (folder / "files" / name).write_bytes(data)
    pipeline = Pipeline.from_yaml(write_spec(folder, SPEC))
    result = pipeline.run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "good")]
    refused = ask(pipeline, "SELECT FILE, LINE FROM refused")
    assert len(refused) == len(NO_TEXT)
    return refused, told(result)


@pytest.mark.parametrize("name", NO_TEXT)
def test_what_is_not_text_is_refused_by_name_and_line(
    no_text: tuple[list[tuple[Any, ...]], str], name: str
) -> None:
    refused, said = no_text
    (line,) = (line for file, line in refused if file.startswith(name.removesuffix(".gz")))
    assert line == 1
    assert name.removesuffix(".gz") in said


def test_a_file_that_cannot_be_read_is_refused_by_its_name(files: Path, run: Any) -> None:
    memory = Path("/proc/self/mem")  # can be opened, but reading its first byte fails, as on a damaged disk
    if not memory.exists():
        pytest.skip("no file here fails when it is read")
    (files / "unreadable.csv").symlink_to(memory)
    pipeline, result = run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "good")]
    assert "unreadable.csv" in told(result)


def test_a_link_that_leads_nowhere_is_told_of(files: Path, run: Any) -> None:
    (files / "gone.csv").symlink_to("nowhere.csv")
    (files / "loop.csv").symlink_to("loop.csv")
    pipeline, result = run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "good")]
    assert "gone.csv" in told(result)
    assert "loop.csv" in told(result)


def test_a_file_that_goes_before_it_is_read_is_refused_by_its_name(
    files: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed_too_early(folder: Path, pattern: str) -> Any:
        (folder / "gone.csv").write_bytes(CSV)
        found = folder_archives(folder, pattern)
        (folder / "gone.csv").unlink()
        return found

    monkeypatch.setattr("snowpipe_ml.steps.data.extract.folder_archives", listed_too_early)
    pipeline, result = run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "good")]
    assert "gone.csv" in told(result)


def test_a_packed_member_beside_a_csv_is_not_dropped_in_silence(files: Path, run: Any) -> None:
    (files / "o.zip").write_bytes(zipped({"m.csv": b"a,b\n2,good\n", "n.csv.bz2": bz2.compress(CSV)}))
    pipeline, result = run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "good"), (2, "good")]
    assert "n.csv.bz2" in told(result)


def loaded_or_refused(pipeline: Pipeline, result: RunResult, name: str) -> None:
    """Check that the good file is loaded, and the odd one is loaded too or refused by name."""
    assert result.ok, told(result)
    if rows_of(pipeline) != [(1, "good"), (5, "odd")]:
        assert rows_of(pipeline) == [(1, "good")]
        assert name in told(result)


@pytest.mark.parametrize(
    "name", ["m" * 236 + ".csv", "é" * 120 + ".csv", "/".join([*["d" * 60] * 5, "m.csv"])]
)
def test_a_member_with_a_long_name_does_not_stop_the_others(files: Path, run: Any, name: str) -> None:
    (files / "o.zip").write_bytes(zipped({name: CSV}))
    pipeline, result = run()
    loaded_or_refused(pipeline, result, name)


def test_a_file_with_a_long_name_does_not_stop_the_others(files: Path, run: Any) -> None:
    name = "o" * 236 + ".csv"
    (files / name).write_bytes(CSV)
    pipeline, result = run()
    loaded_or_refused(pipeline, result, name)


@pytest.fixture
def caf(files: Path) -> Path:
    """A file whose name is encoded in Latin-1, as in archives from Windows."""
    try:
        with open(os.path.join(os.fsencode(files), b"caf\xe9.csv"), "wb") as out:
            out.write(CSV)
    except OSError:
        pytest.skip("names are UTF-8 on this file system")
    return files


def test_a_file_name_that_is_not_utf_8_does_not_stop_the_others(caf: Path, run: Any) -> None:
    pipeline, result = run()
    loaded_or_refused(pipeline, result, "caf")
    told(result).encode()  # the messages can be printed


@pytest.mark.parametrize("command", ["plan", "run"])
def test_the_command_line_shows_a_file_name_that_is_not_utf_8(
    tmp_path: Path, caf: Path, command: str
) -> None:
    spec = write_spec(tmp_path, SPEC)
    ended = subprocess.run(
        [sys.executable, "-m", "snowpipe_ml", command, str(spec)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", ["x[1].csv", "a[1]*?.csv"])
def test_a_name_with_marks_of_a_pattern_is_a_name(files: Path, run: Any, name: str) -> None:
    (files / name).write_bytes(CSV)
    (files / "o.zip").write_bytes(zipped({name: b"a,b\n6,odd\n"}))
    pipeline, result = run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "good"), (5, "odd"), (6, "odd")]


def test_a_name_with_marks_of_a_pattern_is_not_taken_for_another(files: Path, run: Any) -> None:
    (files / "x[a].csv").write_bytes(b"a,b\n5,first\n")
    (files / "xa.csv").write_bytes(b"a,b\n6,second\n")
    pipeline, result = run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "good"), (5, "first"), (6, "second")]


LINES = {
    "a line with CR LF among lines with LF": b"a,b\n5,x\n6,y\r\n7,z\n",
    "a line with LF among lines with CR LF": b"a,b\r\n5,x\r\n6,y\n7,z\r\n",
    "a header with CR LF over lines with LF": b"a,b\r\n5,x\n6,y\n7,z\n",
}


@pytest.mark.parametrize("text", LINES.values(), ids=LINES)
def test_line_ends_of_both_kinds_are_read(files: Path, run: Any, text: bytes) -> None:
    (files / "o.csv").write_bytes(text)
    pipeline, result = run()
    assert result.ok, told(result)
    assert rows_of(pipeline) == [(1, "good"), (5, "x"), (6, "y"), (7, "z")]


ODD_BODIES = {
    "a CR within a line": b"a,b\n5,x\ry\n6,z\n",
    "bytes of a program": b"a,b\n" + bytes(range(256)) * 40 + b"\n6,z\n",
}


@pytest.mark.parametrize("text", ODD_BODIES.values(), ids=ODD_BODIES)
def test_an_odd_body_costs_its_own_file_at_most(files: Path, run: Any, text: bytes) -> None:
    (files / "o.csv").write_bytes(text)
    pipeline, result = run()
    assert result.ok, told(result)
    assert (1, "good") in rows_of(pipeline)
    if (6, "z") not in rows_of(pipeline):
        assert "o.csv" in told(result)


def test_a_blank_line_behind_the_header_does_not_hide_the_rows(files: Path, run: Any) -> None:
    (files / "o.csv").write_bytes(b"a,b\n\n6,z\n7,z\n")
    pipeline, result = run()
    assert result.ok, told(result)
    found = rows_of(pipeline)
    assert [row for row in found if row[0] is not None] == [(1, "good"), (6, "z"), (7, "z")]


def test_a_long_field_in_the_first_record_is_loaded(files: Path, run: Any) -> None:
    (files / "o.csv").write_bytes(b"a,b\n5," + b"x" * 200_000 + b"\n")
    pipeline, result = run()
    assert result.ok, told(result)
    assert ask(pipeline, "SELECT A, LENGTH(B) FROM raw ORDER BY A") == [(1, 4), (5, 200_000)]


SOURCE = """\
sources: {w: {columns: {A: number, B: varchar}, from: {local: {file: w.csv}}}}
steps: {t: {type: transform, query: "SELECT * FROM {{ ref('w') }}", writes: t}}
"""
ODD_SOURCES = {
    "Latin-1": "a,b\n1,é\n".encode("latin-1"),
    "UTF-16": CSV.decode().encode("utf-16"),
    "gzip": gzip.compress(CSV),
    "a CR within a line": b"a,b\n5,x\ry\n6,z\n",
}


@pytest.mark.parametrize("data", ODD_SOURCES.values(), ids=ODD_SOURCES)
def test_the_odd_file_of_a_source_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.csv").write_bytes(data)
    result = Pipeline.from_yaml(write_spec(tmp_path, SOURCE)).run()
    if not result.ok:
        assert "w.csv" in result.steps["sources.w"].message


def test_a_long_field_in_the_first_record_of_a_source_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_bytes(b"a,b\n5," + b"x" * 200_000 + b"\n")
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SOURCE))
    result = pipeline.run()
    assert result.ok, told(result)
    assert ask(pipeline, "SELECT A, LENGTH(B) FROM t") == [(5, 200_000)]
