"""Extracting archives and loading their rows, through a real Session."""

from __future__ import annotations

import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import RunResult
from tests.conftest import write_spec
from tests.trips import NEW, OLD, count, month_csv, name_of, write_months, zipped

SPEC = """\
vars: {source: months, months: [], on_error: continue}
stages: {load: {}}
file_formats:
  csv: {skip_header: 1, field_optionally_enclosed_by: '"', null_if: ["NULL"]}
tables:
  raw_old: {columns: {%s}}
  raw_new: {columns: {%s}}
steps:
  extract:
    type: extract
    from: "{{ vars.source }}"
    months: "{{ vars.months }}"
    url_file: JC-{month}-citibike-tripdata.csv.zip
    into: "@load/trips/"
    refused: refused
    layouts:
      old: {columns: [%s]}
      new: {columns: [%s]}
  load_old: {type: copy_into, from: "@load/trips/old/", into: raw_old, file_format: csv, on_error: continue,
             loads: loads_old, rejects: rejects_old}
  load_new: {type: copy_into, from: "@load/trips/new/", into: raw_new, file_format: csv, on_error: continue,
             loads: loads_new, rejects: rejects_new}
"""
OLD_TITLES = [title.strip('"') for title in OLD.split(",")]
NEW_TITLES = NEW.split(",")


def typed(titles: list[str]) -> str:
    kinds = {"tripduration": "number", "start_lat": "float"}
    return ", ".join(f"{title.replace(' ', '_')}: {kinds.get(title, 'varchar')}" for title in titles)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    text = SPEC % (typed(OLD_TITLES), typed(NEW_TITLES), ", ".join(OLD_TITLES), ", ".join(NEW_TITLES))
    return write_spec(tmp_path, text)


def run(spec: Path, full_refresh: bool = False, **variables: Any) -> RunResult:
    return Pipeline.from_yaml(spec, vars=variables).run(full_refresh=full_refresh)


def scalar(spec: Path, text: str) -> Any:
    session = Pipeline.from_yaml(spec).session()
    try:
        return session.sql(text).collect()[0][0]
    finally:
        session.close()


@pytest.mark.slow
def test_bulk_then_incremental(spec: Path, months: Path) -> None:
    first = run(spec)
    assert first.ok, first
    old, new = count("2020-12") + count("2021-01"), count("2021-02") + count("2021-03")
    assert (first.steps["load_old"].rows, first.steps["load_new"].rows) == (old, new)
    assert "4 files staged" in first.steps["extract"].message
    assert run(spec).steps["extract"].status.value == "reused"
    again = run(spec, full_refresh=True)
    assert (again.steps["load_old"].rows, again.steps["load_new"].rows) == (0, 0)
    assert "0 files staged, 4 archives unchanged" in again.steps["extract"].message
    write_months(months, ["2021-04"])
    third = run(spec)
    assert (third.steps["load_old"].rows, third.steps["load_new"].rows) == (0, count("2021-04"))
    assert scalar(spec, "SELECT COUNT(*) FROM raw_new") == new + count("2021-04")
    assert scalar(spec, "SELECT COUNT(*) FROM loads_new WHERE STATUS = 'LOADED'") == 3


def test_only_the_months_asked_for(spec: Path, months: Path) -> None:
    result = run(spec, months=["2021-02"])
    assert result.steps["load_new"].rows == count("2021-02")
    assert result.steps["load_old"].rows == 0


def test_a_bad_file_is_refused_by_name_and_the_others_go_on(spec: Path, months: Path) -> None:
    bad = "<<<<<<< HEAD\n" + month_csv("2021-05")
    (months / f"{name_of('2021-05')}.csv.gz").write_bytes(gzip.compress(bad.encode()))
    result = run(spec)
    assert result.ok
    (warning,) = result.steps["extract"].warnings
    assert f"{name_of('2021-05')}.csv:1: a git conflict marker in place of the header" in warning
    assert scalar(spec, "SELECT FILE || ':' || LINE FROM refused") == f"{name_of('2021-05')}.csv:1"
    assert result.steps["load_new"].rows == count("2021-02") + count("2021-03")
    # Once repaired, the file is loaded.
    (months / f"{name_of('2021-05')}.csv.gz").write_bytes(gzip.compress(month_csv("2021-05").encode()))
    assert run(spec).steps["load_new"].rows == count("2021-05")


def test_rejected_rows_are_kept(spec: Path, tmp_path: Path) -> None:
    lines = month_csv("2021-02").splitlines()
    lines[3] = lines[3].replace(",40.7,", ",north,", 1)
    lines[5] += ",one,too,many"
    folder = tmp_path / "months"
    folder.mkdir()
    (folder / f"{name_of('2021-02')}.csv.zip").write_bytes(
        zipped({"JC-202102.csv": "\n".join(lines).encode()})
    )
    result = run(spec)
    assert result.ok
    assert result.steps["load_new"].rows == count("2021-02") - 2
    assert (
        "2 rows rejected, the first at line 4: Numeric value 'north' is not recognized"
        in result.steps["load_new"].warnings[0]
    )
    session = Pipeline.from_yaml(spec).session()
    rejects = [
        tuple(row)
        for row in session.sql("SELECT LINE, REJECTED_RECORD FROM rejects_new ORDER BY LINE").collect()
    ]
    session.close()
    assert rejects == [(4, lines[3]), (6, lines[5])]


def test_several_members_and_archives_in_archives(spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "months"
    folder.mkdir()
    text = month_csv("2021-02").splitlines()
    half = len(text) // 2
    inner = zipped(
        {
            "202102_1.csv": "\n".join(text[:half]).encode(),
            "202102_2.csv": "\n".join([text[0], *text[half:]]).encode(),
            "__MACOSX/._202102_1.csv": b"\0",
        }
    )
    (folder / "2021-trips.zip").write_bytes(
        zipped({"202102.zip": inner, "202101.csv": month_csv("2021-01").encode()})
    )
    result = run(spec)
    assert (result.steps["load_old"].rows, result.steps["load_new"].rows) == (
        count("2021-01"),
        count("2021-02"),
    )


@pytest.fixture
def server(months: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(months))
    handler.log_message = lambda *args: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_from_a_url(spec: Path, server: str) -> None:
    result = run(spec, source=server, months=["2021-02"])
    assert result.steps["load_new"].rows == count("2021-02")
    assert run(spec, source=server, months=["2021-02"]).steps["load_new"].rows == 0
    failed = run(spec, source=server, months=["2024-01"])
    assert not failed.ok
    assert (
        "JC-202401-citibike-tripdata.csv.zip: cannot be downloaded: HTTP Error 404"
        in failed.steps["extract"].message
    )
    assert failed.steps["load_new"].blamed == "extract"
    nothing = run(spec, source=server)
    assert "give `months` and `url_file`" in nothing.steps["extract"].message


def test_files_that_are_in_a_bucket_already(tmp_path: Path) -> None:
    folder = tmp_path / "bucket" / "new"
    folder.mkdir(parents=True)
    (folder / "202102.csv.gz").write_bytes(gzip.compress(month_csv("2021-02").encode()))
    text = f"""\
stages: {{bucket: {{url: "file://bucket"}}}}
file_formats: {{csv: {{skip_header: 1}}}}
tables: {{raw_new: {{columns: {{{typed(NEW_TITLES)}}}}}}}
steps:
  load: {{type: copy_into, from: "@bucket/new/", into: raw_new, file_format: csv}}
"""
    assert run(write_spec(tmp_path, text)).steps["load"].rows == count("2021-02")


def test_an_empty_folder_says_so(spec: Path, tmp_path: Path) -> None:
    assert "no such folder" in run(spec).steps["extract"].message
    (tmp_path / "months").mkdir()
    assert "no file matches '*'" in run(spec).steps["extract"].message


def test_a_damaged_archive_is_refused_and_the_others_go_on(spec: Path, months: Path) -> None:
    archive = months / f"{name_of('2020-12')}.csv.zip"
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 0xFF
    archive.write_bytes(bytes(data))
    truncated = months / f"{name_of('2021-01')}.csv.gz"
    truncated.write_bytes(truncated.read_bytes()[:-200])
    result = run(spec)
    assert result.ok, result
    assert len(result.steps["extract"].warnings) == 2
    assert all("damaged archive" in warning for warning in result.steps["extract"].warnings)
    assert result.steps["load_old"].rows == 0
    assert result.steps["load_new"].rows == count("2021-02") + count("2021-03")


def test_members_whose_names_look_alike_are_two(spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "months"
    folder.mkdir()
    members = {"a/b.csv": month_csv("2021-02").encode(), "a_b.csv": month_csv("2021-03").encode()}
    (folder / "x.zip").write_bytes(zipped(members))
    assert run(spec).steps["load_new"].rows == count("2021-02") + count("2021-03")


def test_a_path_may_be_relative_to_the_current_folder(
    spec: Path, months: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = spec.parent / "work" / "deep"
    elsewhere.mkdir(parents=True)
    months.rename(spec.parent / "work" / "archives")
    monkeypatch.chdir(elsewhere)
    assert run(spec, source="../archives", months=["2021-02"]).steps["load_new"].rows == count("2021-02")
    assert "no such folder" in run(spec, source="../nowhere").steps["extract"].message


def test_archives_of_another_source_are_told_of(spec: Path, months: Path, tmp_path: Path) -> None:
    run(spec)
    write_months(tmp_path / "others", ["2021-05"])
    (warning,) = run(spec, source="others").steps["extract"].warnings
    assert warning.startswith(
        "4 archives staged before, such as JC-202012-citibike-tripdata.csv.zip, are not in others"
    )
