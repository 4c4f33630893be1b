"""The step ``merge``, which consumes a stream."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.records.lock import RunLock
from snowpipe_ml.engine.run.outcome import RunResult, StepOutcome
from snowpipe_ml.errors import LockedError, SpecError
from tests.conftest import write_spec
from tests.recorder import Recorder

Rows = list[tuple[Any, ...]]
ADD = "INSERT INTO RAW SELECT * FROM VALUES "


class Capture:
    """A pipeline that merges the changes of RAW into TRIPS, and a Session on its warehouse."""

    def __init__(self, folder: Path, merge: str, stream: str, more: str) -> None:
        self.pipeline = Pipeline.from_yaml(
            write_spec(
                folder,
                "tables: {raw: {columns: {ID: varchar, N: number, AT: timestamp_ntz}}}\n"
                f"streams: {{changes: {{table: raw{stream}}}}}\n"
                "steps:\n"
                f"  trips: {{type: merge, from: {{stream: changes}}, into: trips, {merge}}}\n"
                f"{more}",
            )
        )
        self.session = self.pipeline.session()

    def sql(self, text: str) -> Rows:
        return [tuple(row) for row in self.session.sql(text).collect()]

    def run(self, **options: Any) -> RunResult:
        result = self.pipeline.run(**options)
        assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
        return result

    def merge(self, **options: Any) -> StepOutcome:
        return self.run(**options).steps["trips"]

    def failure(self, step: str = "trips", **options: Any) -> str:
        result = self.pipeline.run(**options)
        assert not result.ok
        return result.steps[step].message


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Callable[..., Capture]]:
    """Make the table RAW and its stream, and keep the warehouse open between the runs."""
    made: list[Capture] = []

    def make(merge: str, stream: str = ", show_initial_rows: true", more: str = "") -> Capture:
        made.append(Capture(tmp_path, merge, stream, more))
        if len(made) == 1:
            made[0].run(select=["tables.raw", "streams.changes"])
        return made[-1]

    yield make
    for one in made:
        one.session.close()


def test_changes_are_inserted_updated_and_deleted(capture: Callable[..., Capture]) -> None:
    at = capture(
        "key: [ID], delete: true, query: \"SELECT ID, N * 2 AS N FROM {{ changes }} WHERE ID <> 'bad'\""
    )
    at.sql(ADD + "('a', 1, NULL), ('b', 2, NULL), ('bad', 0, NULL)")
    assert at.merge().message == "2 inserted"
    at.sql("UPDATE RAW SET N = 3 WHERE ID = 'a'")
    at.sql("UPDATE RAW SET ID = 'c' WHERE ID = 'b'")
    done = at.merge()
    assert (done.rows, done.message) == (2, "1 inserted, 1 updated, 1 deleted")
    assert done.metrics == {"inserted": 1, "updated": 1, "deleted": 1}
    assert at.sql("SELECT * FROM TRIPS ORDER BY ID") == [("a", 6), ("c", 4)]
    at.sql("UPDATE RAW SET ID = 'bad' WHERE ID = 'c'")
    assert at.merge().message == "0 inserted, 1 deleted"
    assert at.merge().status.value == "reused"
    assert at.sql("SELECT SYSTEM$STREAM_HAS_DATA('CHANGES')") == [(False,)]


def test_a_run_says_why_it_merges(capture: Callable[..., Capture]) -> None:
    at = capture("key: [ID]")
    at.run()
    at.sql(ADD + "('a', 1, NULL)")
    planned = {
        step.name: (step.decision.action, step.decision.reason)
        for step in at.pipeline.plan(compare=True)
        if step.decision
    }
    assert planned["trips"] == ("run", "the stream CHANGES has data")
    assert planned["streams.changes"][0] == "skip"


def test_without_a_key_new_rows_are_added(capture: Callable[..., Capture]) -> None:
    at = capture("query: 'SELECT ID FROM {{ changes }}'", ", append_only: true, show_initial_rows: true")
    at.sql(ADD + "('a', 1, NULL), ('a', 1, NULL)")
    assert at.merge().rows == 2
    at.sql("DELETE FROM RAW")
    at.sql(ADD + "('a', 1, NULL)")
    assert at.merge().message == "1 inserted"
    assert at.sql("SELECT * FROM TRIPS") == [("a",)] * 3


def test_the_latest_change_of_a_key_counts(capture: Callable[..., Capture]) -> None:
    at = capture("key: [ID], latest_by: AT, delete: {predicate: N < 0}", ", append_only: true")
    at.sql(
        ADD
        + "('a', 1, '2024-01-02'), ('a', 2, '2024-01-01'), ('b', 1, '2024-01-01'), ('b', -1, '2024-01-02')"
    )
    assert at.merge().message == "1 inserted"
    assert at.sql("SELECT ID, N FROM TRIPS") == [("a", 1)]
    at.sql(ADD + "('a', 3, '2024-01-01'), ('b', 4, '2024-01-03')")  # the first arrives too late
    assert at.merge().message == "1 inserted"
    at.sql(ADD + "('a', -1, '2024-01-01'), ('b', -4, '2024-01-04')")
    assert at.merge().message == "0 inserted, 1 deleted"
    assert at.sql("SELECT ID, N FROM TRIPS") == [("a", 1)]


def test_keys_that_cannot_be_merged_are_named(capture: Callable[..., Capture]) -> None:
    at = capture("key: [ID, N]")
    at.sql(ADD + "('a', 1, NULL), ('a', 1, NULL)")
    assert at.failure() == (
        "2 new rows for TRIPS have the same key (ID a, N 1): name the column that orders the changes of a key with "
        "latest_by, or keep one row of each key in the query"
    )
    at.sql("UPDATE RAW SET N = NULL")
    assert "a new row for TRIPS has no key (ID a, N None)" in at.failure()
    at.sql("DELETE FROM RAW")
    at.sql(ADD + "('a', 2, NULL)")
    assert at.merge().rows == 1  # what failed has consumed nothing


@pytest.mark.parametrize("ending", ["before", "after"])
def test_a_run_that_dies_around_its_commit(
    capture: Callable[..., Capture], monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    at = capture("query: 'SELECT ID FROM {{ changes }}'")
    at.run()
    at.sql(ADD + "('a', 1, NULL)")
    check = RunLock.check

    def taken_over(self: RunLock, session: Any) -> None:
        if ending == "after":
            session.sql("COMMIT").collect()
        raise LockedError("another run has taken over")

    with monkeypatch.context() as patch:
        patch.setattr(RunLock, "check", taken_over)
        at.failure()
    assert check is RunLock.check
    at.merge()
    assert at.sql("SELECT * FROM TRIPS") == [("a",)]


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.stress) for seed in range(1, 10))]
)
def test_merged_changes_end_in_the_table_of_a_full_refresh(
    capture: Callable[..., Capture], seed: int
) -> None:
    chance = random.Random(seed)
    at = capture('key: [ID], delete: true, query: "SELECT ID, N FROM {{ changes }} WHERE N % 7 <> 3"')
    for _ in range(6):
        for _ in range(chance.randint(0, 8)):
            one = f"'{chance.choice('abcdefgh')}'"
            at.sql(
                chance.choice(
                    [
                        f"INSERT INTO RAW SELECT {one}, {chance.randint(1, 99)}, NULL WHERE NOT EXISTS "
                        f"(SELECT 1 FROM RAW WHERE ID = {one})",
                        f"UPDATE RAW SET N = N + 1 WHERE ID = {one}",
                        f"DELETE FROM RAW WHERE ID = {one}",
                    ]
                )
            )
        at.merge()
        assert at.sql("SELECT * FROM TRIPS ORDER BY ID") == at.sql(
            "SELECT ID, N FROM RAW WHERE N % 7 <> 3 ORDER BY ID"
        )
    merged = at.sql("SELECT * FROM TRIPS ORDER BY ID")
    at.sql("INSERT INTO TRIPS VALUES ('stray', 0)")
    at.run(full_refresh=True)
    assert at.sql("SELECT * FROM TRIPS ORDER BY ID") == merged
    assert [row[1] for row in at.sql("SHOW STREAMS")] == ["CHANGES"]


def test_a_dropped_table_is_merged_again(capture: Callable[..., Capture]) -> None:
    at = capture("key: [ID]")
    at.sql(ADD + "('a', 1, NULL)")
    at.run()
    at.sql(ADD + "('b', 1, NULL)")
    at.sql("DROP TABLE TRIPS")
    assert at.merge().message == "2 inserted"
    assert at.sql("SELECT SYSTEM$STREAM_HAS_DATA('CHANGES')") == [(False,)]


def test_a_run_that_dies_after_it_has_created_the_table(capture: Callable[..., Capture]) -> None:
    at = capture("key: [ID]")
    at.sql(ADD + "('a', 1, NULL)")
    at.run()
    at.sql("CREATE OR REPLACE TABLE TRIPS LIKE RAW")
    at.sql(ADD + "('b', 1, NULL)")
    assert at.merge().message == "2 inserted"


def test_without_initial_rows_only_changes_are_merged(capture: Callable[..., Capture]) -> None:
    at = capture("key: [ID]", "")
    at.sql(ADD + "('a', 1, NULL)")
    at.run()
    done = at.merge(full_refresh=True)
    assert done.message == "no changes"
    assert "does not compute TRIPS again" in done.warnings[0]


def test_a_stale_stream_is_told_with_what_to_do(capture: Callable[..., Capture]) -> None:
    at = capture("key: [ID]")
    at.sql(ADD + "('a', 1, NULL)")
    at.run()
    at.sql("CREATE OR REPLACE TABLE RAW (ID VARCHAR, N NUMBER, AT TIMESTAMP_NTZ) AS SELECT 'b', 2, NULL")
    refused = {step.name: step.changes for step in at.pipeline.plan(compare=True)}["streams.changes"]
    assert refused is not None
    assert "is stale" in str(refused.refused)
    assert at.failure("streams.changes") == (
        "the stream CHANGES is stale: the table RAW was dropped or replaced, or its changes had to be read earlier. "
        "Merge all rows again with: run --full-refresh --select streams.changes+"
    )
    at.run(full_refresh=True, select=["streams.changes+"])
    assert at.sql("SELECT ID FROM TRIPS") == [("b",)]
    at.sql(ADD + "('c', 1, NULL)")
    assert at.merge().message == "1 inserted"


def test_a_stale_stream_without_initial_rows(capture: Callable[..., Capture]) -> None:
    at = capture("key: [ID]", ", append_only: true, comment: of RAW")
    at.run()
    at.sql("CREATE OR REPLACE TABLE RAW (ID VARCHAR, N NUMBER, AT TIMESTAMP_NTZ)")
    told = at.failure("streams.changes", full_refresh=True)
    again = "CREATE OR REPLACE STREAM CHANGES COPY GRANTS ON TABLE RAW APPEND_ONLY = TRUE COMMENT = 'of RAW'"
    assert again in told
    at.sql(again)
    at.run()


def test_a_stream_with_other_settings_is_refused(capture: Callable[..., Capture]) -> None:
    capture("key: [ID]").run()
    assert (
        "the stream CHANGES is on the table DEMO.PUBLIC.RAW with the mode DEFAULT, but the spec declares one on the "
        "table RAW with the mode APPEND_ONLY"
    ) in capture("key: [ID]", ", append_only: true").failure("streams.changes")
    assert (
        capture("key: [ID]", ", comment: new").run().steps["streams.changes"].message
        == "comment: none -> new"
    )


def test_new_columns(capture: Callable[..., Capture]) -> None:
    capture("key: [ID], query: 'SELECT ID FROM {{ changes }}'").run()
    at = capture("key: [ID], query: 'SELECT ID, N FROM {{ changes }}'")
    at.sql(ADD + "('a', 1, NULL)")
    assert "the query adds N. Set on_schema_change" in at.failure()
    at = capture("key: [ID], on_schema_change: append_new_columns, query: 'SELECT ID, N FROM {{ changes }}'")
    assert at.merge().message == "1 inserted, new columns: N"
    at = capture("key: [ID, X], query: 'SELECT ID, N FROM {{ changes }}'")
    at.sql(ADD + "('b', 1, NULL)")
    assert "the query has no column X, only ID, N" in at.failure()


@pytest.mark.slow
def test_the_changes_of_a_view_of_a_step_are_merged(tmp_path: Path) -> None:
    """Each run would make the stream stale if it replaced the view, whose table has changed."""
    pipeline = Pipeline.from_yaml(
        write_spec(
            tmp_path,
            "tables: {raw: {columns: {ID: varchar, N: number}}}\n"
            "streams: {changes: {view: positive, show_initial_rows: true}}\n"
            "steps:\n"
            "  positive: {type: transform, writes: positive, materialized: view,\n"
            "    query: \"SELECT ID, N FROM {{ ref('raw') }} WHERE N > 0\"}\n"
            "  trips: {type: merge, from: {stream: changes}, into: trips, key: [ID], delete: true}\n",
        )
    )
    with pipeline.session() as session:
        for change, rows in (
            ("CREATE TABLE RAW (ID VARCHAR, N NUMBER)", []),
            ("INSERT INTO RAW VALUES ('a', 1), ('b', -1), ('c', 3)", [("a", 1), ("c", 3)]),
            ("UPDATE RAW SET N = -N", [("b", 1)]),
            ("DELETE FROM RAW WHERE ID = 'b'", []),
            ("INSERT INTO RAW VALUES ('d', 4)", [("d", 4)]),
        ):
            session.sql(change).collect()
            result = pipeline.run()
            assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
            assert session.sql("SELECT * FROM TRIPS ORDER BY ID").collect() == rows


def test_a_view_is_refused(capture: Callable[..., Capture]) -> None:
    at = capture("key: [ID]")
    at.sql("CREATE VIEW TRIPS AS SELECT 1 AS ID")
    assert at.failure() == "TRIPS is a view, and a merge needs a table: drop it"


def test_the_query_can_be_a_file_and_read_other_tables(
    capture: Callable[..., Capture], tmp_path: Path
) -> None:
    (tmp_path / "clean.sql").write_text(
        "SELECT C.ID, M.CITY FROM {{ changes }} AS C JOIN {{ ref('m') }} AS M USING (ID)"
    )
    at = capture(
        "key: [ID], query: clean.sql",
        more="  m: {type: transform, writes: m, query: \"SELECT 'a' AS ID, 'x' AS CITY\"}\n",
    )
    at.sql(ADD + "('a', 1, NULL), ('b', 1, NULL)")
    at.run()
    assert at.sql("SELECT * FROM TRIPS") == [("a", "x")]


def test_the_statements_are_as_snowflake_documents_them(
    capture: Callable[..., Capture], golden: Callable[[str, str], None]
) -> None:
    """CREATE STREAM and SYSTEM$STREAM_HAS_DATA were read; docs/snowflake-sql.md says which others."""
    at = capture("key: [ID], delete: true, latest_by: AT")
    recorder = Recorder(at.session)
    texts: list[str] = []
    for title, change, options in (
        ("the first run", ADD + "('a', 1, NULL)", {}),
        ("changes", "UPDATE RAW SET N = 2", {}),
        ("all rows again", "UPDATE RAW SET N = 3", {"full_refresh": True}),
    ):
        at.sql(change)
        recorder.statements.clear()
        recorded = recorder.normalized(at.run(session=at.session, select=["trips"], **options))
        own = [text for text in recorded if re.search(r"CHANGES|TRIPS|^(BEGIN|COMMIT)", text)]
        texts += [f"-- {title}", *(f"{text};" for text in own if "SNOWPIPE_ML." not in text)]
    golden("merge.sql", "\n".join(texts) + "\n")


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (
            "a: {type: merge, from: {stream: other}, into: t}",
            "the stream 'other' is not declared under `streams`",
        ),
        (
            "a: {type: merge, from: {stream: changes}, into: t}\n  b: {type: merge, from: {stream: changes}, into: u}",
            "stream CHANGES is consumed by 'a' already",
        ),
        (
            "a: {type: merge, from: {stream: changes}, into: t}\n  b: {type: transform, query: SELECT 1, writes: t}",
            "table T is written by 'a' already",
        ),
        (
            "a: {type: merge, from: {stream: changes}, into: t, query: SELECT 1}",
            "does not read {{ changes }}",
        ),
        ("a: {type: merge, from: {stream: changes}, into: t, delete: true}", "delete needs the key of a row"),
        ("a: {type: merge, from: {stream: changes}, into: t, key: [X]}", "RAW has no column X"),
        (
            "a: {type: merge, from: {stream: changes}, into: t, key: [ID], sql: x.sql, query: y}",
            "give one of sql",
        ),
        (
            "a: {type: merge, from: {stream: changes}, into: raw}",
            "'a' changes the table whose changes it consumes",
        ),
    ],
)
def test_mistakes(tmp_path: Path, steps: str, told: str) -> None:
    spec = write_spec(
        tmp_path,
        f"tables: {{raw: {{columns: {{ID: number}}}}}}\nstreams: {{changes: {{table: raw}}}}\nsteps:\n  {steps}\n",
    )
    with pytest.raises(SpecError, match=r"(?s).*") as caught:
        Pipeline.from_yaml(spec).load()
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ("{}", "give exactly one of table, view and stage"),
        ("{stage: raw, append_only: true}", "a stream on a stage has no append_only"),
        ("{table: nothing}", "unknown table 'nothing'"),
    ],
)
def test_mistakes_of_streams(tmp_path: Path, stream: str, told: str) -> None:
    spec = write_spec(
        tmp_path,
        f"stages: {{raw: {{}}}}\nstreams: {{changes: {stream}}}\nsteps: {{a: {{type: transform, query: SELECT 1, writes: t}}}}\n",
    )
    with pytest.raises(SpecError) as caught:
        Pipeline.from_yaml(spec).load()
    assert told in str(caught.value)


def test_a_stream_exists_before_its_table_is_loaded(tmp_path: Path) -> None:
    spec = write_spec(
        tmp_path,
        "stages: {files: {}}\ntables: {raw: {columns: {ID: number}}}\nstreams: {changes: {table: raw}}\nsteps:\n"
        "  load: {type: copy_into, from: '@files/', into: raw}\n"
        "  trips: {type: merge, from: {stream: changes}, into: trips}\n",
    )
    _, graph, _ = Pipeline.from_yaml(spec).load()
    assert graph.needs("load") == ["stages.files", "streams.changes", "tables.raw"]
    assert graph.needs("trips") == ["load", "streams.changes"]


def test_files_on_a_stage(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(
        write_spec(
            tmp_path,
            "stages: {landing: {directory: true}}\n"
            "streams: {arrivals: {stage: landing}}\n"
            "steps:\n"
            "  files: {type: merge, from: {stream: arrivals}, into: files, key: [RELATIVE_PATH], delete: true,\n"
            "    query: 'SELECT RELATIVE_PATH, SIZE FROM {{ changes }}'}\n",
        )
    )
    with pipeline.session() as session:

        def captured() -> Rows:
            result = pipeline.run(session=session)
            assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
            return [tuple(row) for row in session.sql("SELECT * FROM FILES ORDER BY 1").collect()]

        assert captured() == []
        for name in ("a", "b"):
            (tmp_path / f"{name}.txt").write_text("four")
            session.file.put(str(tmp_path / f"{name}.txt"), "@landing", auto_compress=False)
        assert captured() == [("a.txt", 4), ("b.txt", 4)]
        (tmp_path / "b.txt").write_text("longer")
        session.file.put(str(tmp_path / "b.txt"), "@landing", auto_compress=False, overwrite=True)
        session.sql("REMOVE @landing/a.txt").collect()
        assert captured() == [("b.txt", 6)]
