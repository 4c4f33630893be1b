"""One invalid file among good ones is refused by name, and the good ones are loaded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.steps.data.archives import folder_archives
from tests import forked
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


@dataclass(frozen=True)
class Odd:
    """Files beside good ones.

    Attributes:
        files: the content by name; bytes for a name that is not UTF-8.
        rows: the rows that they hold.
        refused: a part of the name by which a file is refused, if it need not be loaded.
        told: the names that are told of, although the rows are loaded.
    """

    files: dict[str | bytes, bytes]
    rows: list[tuple[int | None, str]]
    refused: str | None = None
    told: tuple[str, ...] = ()


def csv(number: int) -> bytes:
    return b"a,b\n%d,odd\n" % number


LONG = "x" * 200_000
LONG_NAMES = ["m" * 236 + ".csv", "é" * 120 + ".csv", "/".join([*["d" * 60] * 5, "m.csv"])]
LONG_FILE = "o" * 236 + ".csv"
ODD = {
    "a packed member beside a CSV": Odd(
        {"packed.zip": zipped({"m.csv": csv(10), "n.csv.bz2": bz2.compress(CSV)})},
        [(10, "odd")],
        told=("n.csv.bz2",),
    ),
    **{
        f"a member with a long name {number}": Odd(
            {f"long{number}.zip": zipped({name: csv(number)})}, [(number, "odd")], name
        )
        for number, name in enumerate(LONG_NAMES, 20)
    },
    "a file with a long name": Odd({LONG_FILE: csv(30)}, [(30, "odd")], LONG_FILE),
    "a name that is not UTF-8": Odd({b"caf\xe9.csv": csv(31)}, [(31, "odd")], "caf"),
    "a name with brackets": Odd(
        {"x[1].csv": csv(40), "brackets.zip": zipped({"x[1].csv": csv(41)})}, [(40, "odd"), (41, "odd")]
    ),
    "a name with all marks of a pattern": Odd(
        {"a[1]*?.csv": csv(42), "marks.zip": zipped({"a[1]*?.csv": csv(43)})}, [(42, "odd"), (43, "odd")]
    ),
    "a name that is a pattern of another": Odd(
        {"x[a].csv": csv(44), "xa.csv": csv(45)}, [(44, "odd"), (45, "odd")]
    ),
    "a line with CR LF among lines with LF": Odd(
        {"ends1.csv": b"a,b\n50,x\n51,y\r\n52,z\n"}, [(50, "x"), (51, "y"), (52, "z")]
    ),
    "a line with LF among lines with CR LF": Odd(
        {"ends2.csv": b"a,b\r\n53,x\r\n54,y\n55,z\r\n"}, [(53, "x"), (54, "y"), (55, "z")]
    ),
    "a header with CR LF over lines with LF": Odd(
        {"ends3.csv": b"a,b\r\n56,x\n57,y\n58,z\n"}, [(56, "x"), (57, "y"), (58, "z")]
    ),
    "a CR within a line": Odd({"body1.csv": b"a,b\n60,x\ry\n61,z\n"}, [(61, "z")], "body1.csv"),
    "bytes of a program": Odd(
        {"body2.csv": b"a,b\n" + bytes(range(256)) * 40 + b"\n62,z\n"}, [(62, "z")], "body2.csv"
    ),
    "a blank line behind the header": Odd({"blank.csv": b"a,b\n\n70,z\n71,z\n"}, [(70, "z"), (71, "z")]),
    "a long field in the first record": Odd({"field.csv": f"a,b\n80,{LONG}\n".encode()}, [(80, LONG)]),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[tuple[Any, ...]], str]:
    """The rows, and what was told, of a run with all odd files, links and an unreadable file beside a good one."""
    folder = tmp_path_factory.mktemp("odd")
    files = folder / "files"
    files.mkdir()
    (files / "good.csv").write_bytes(b"a,b\n1,good\n")
    for case in ODD.values():
        for name, data in case.files.items():
            try:
                with open(os.path.join(os.fsencode(files), os.fsencode(name)), "wb") as out:
                    out.write(data)
            except OSError:
                assert isinstance(name, bytes), name  # names are UTF-8 on this file system
    (files / "gone.csv").symlink_to("nowhere.csv")
    (files / "loop.csv").symlink_to("loop.csv")
    # Can be opened, but reading its first byte fails, as on a damaged disk.
    (files / "unreadable.csv").symlink_to("/proc/self/mem")
    pipeline = Pipeline.from_yaml(write_spec(folder, SPEC))
    result = pipeline.run()
    assert result.ok, told(result)
    return rows_of(pipeline), told(result)


@pytest.mark.parametrize("case", ODD)
def test_an_odd_file_is_loaded_or_refused_by_its_name(
    odd: tuple[list[tuple[Any, ...]], str], case: str
) -> None:
    rows, said = odd
    found = [row for row in ODD[case].rows if row in rows]
    if found != ODD[case].rows:
        assert found == []
        assert ODD[case].refused is not None
        assert ODD[case].refused in said
    for name in ODD[case].told:
        assert name in said


def test_odd_files_do_not_stop_the_others_and_add_no_rows(odd: tuple[list[tuple[Any, ...]], str]) -> None:
    rows, said = odd
    assert (1, "good") in rows
    known = {(1, "good"), *(row for case in ODD.values() for row in case.rows)}
    # The lines of the odd bodies, and the blank one, may be separate rows.
    added = [row for row in rows if row not in known and row[0] is not None]
    assert {row[0] for row in added} <= {60}
    said.encode()  # the messages can be printed


@pytest.mark.parametrize("name", ["gone.csv", "loop.csv", "unreadable.csv"])
def test_a_file_that_cannot_be_read_is_refused_by_its_name(
    odd: tuple[list[tuple[Any, ...]], str], name: str
) -> None:
    if name == "unreadable.csv" and not Path("/proc/self/mem").exists():
        pytest.skip("no file here fails when it is read")
    assert name in odd[1]


@pytest.fixture
def caf(files: Path) -> Path:
    """A file whose name is encoded in Latin-1, as in archives from Windows."""
    try:
        with open(os.path.join(os.fsencode(files), b"caf\xe9.csv"), "wb") as out:
            out.write(CSV)
    except OSError:
        pytest.skip("names are UTF-8 on this file system")
    return files


@pytest.mark.parametrize("command", ["plan", "run"])
def test_the_command_line_shows_a_file_name_that_is_not_utf_8(
    tmp_path: Path, caf: Path, command: str
) -> None:
    spec = write_spec(tmp_path, SPEC)
    ended = forked.command(command, spec)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


ODD_SOURCES = {
    "latin_1": "a,b\n1,é\n".encode("latin-1"),
    "utf_16": CSV.decode().encode("utf-16"),
    "gzip": gzip.compress(CSV),
    "carriage_return": b"a,b\n5,x\ry\n6,z\n",
    "long_field": f"a,b\n5,{LONG}\n".encode(),
}
SOURCES = (
    "sources:\n"
    + "".join(
        f"  {name}: {{columns: {{A: number, B: varchar}}, from: {{local: {{file: {name}.csv}}}}}}\n"
        for name in ODD_SOURCES
    )
    + "steps:\n"
    + "".join(
        f"  t_{name}: {{type: transform, query: \"SELECT * FROM {{{{ ref('{name}') }}}}\", writes: t_{name}}}\n"
        for name in ODD_SOURCES
    )
)


def test_the_odd_file_of_a_source_is_named(tmp_path: Path) -> None:
    for name, data in ODD_SOURCES.items():
        (tmp_path / f"{name}.csv").write_bytes(data)
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SOURCES))
    steps = pipeline.run().steps
    for name in ODD_SOURCES:
        if not steps[f"sources.{name}"].status.good:
            assert f"{name}.csv" in steps[f"sources.{name}"].message
    assert steps["t_long_field"].status.good
    assert ask(pipeline, "SELECT A, LENGTH(B) FROM t_long_field") == [(5, 200_000)]
