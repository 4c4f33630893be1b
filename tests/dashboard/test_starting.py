"""Runs that the dashboard starts: the form of the variables, the process, its progress, and cancelling."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from snowpipe_ml.dashboard.data.source import Source, open_source
from snowpipe_ml.dashboard.data.starting import Progress, StartedRun, Wanted, start
from snowpipe_ml.dashboard.data.variables import Field, Kind, fields, label_of, next_month, secrets
from snowpipe_ml.errors import SpecError, UsageError
from tests.conftest import ask, write_spec

SPEC = """\
vars:
  rows: 3                # how many rows
  share: 0.5
  deep: true
  model: ridge           # or another
  months: ["2022-11", "2022-12"]
  members: [{type: a, window: 28}, {type: b, window: 365}, {type: c, window: 7}]
  api_token: canary-of-the-form
dashboard: {can_run: true, choices: {model: [ridge, tabnet]}}
steps:
  one:
    type: transform
    query: SELECT SEQ4() AS N, {{ run.date | literal }}::VARCHAR AS D FROM TABLE(GENERATOR(ROWCOUNT => {{ vars.rows | literal }}))
    writes: one
  two: {type: transform, query: "SELECT COUNT(*) AS N FROM {{ ref('one') }}", writes: two, needs: [one]}
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return open_source(write_spec(tmp_path, SPEC))


def test_each_variable_has_a_field_of_its_type(source: Source) -> None:
    found = fields(source.spec)
    assert [(field.name, field.kind, field.value) for field in found] == [
        ("rows", Kind.WHOLE, 3),
        ("share", Kind.NUMBER, 0.5),
        ("deep", Kind.SWITCH, True),
        ("model", Kind.CHOICE, "ridge"),
        ("months", Kind.YAML, '["2022-11", "2022-12"]'),
        ("members", Kind.YAML, "- type: a\n  window: 28\n- type: b\n  window: 365\n- type: c\n  window: 7"),
    ]
    by_name = {field.name: field for field in found}
    assert by_name["model"].choices == ("ridge", "tabnet")
    assert (by_name["rows"].help, by_name["model"].help, by_name["share"].help) == (
        "how many rows",
        "or another",
        "",
    )
    assert by_name["months"].read("[2023-01]") == ["2023-01"]
    assert by_name["members"].original == source.spec.scope["vars"]["members"]
    assert secrets(source.spec) == ["api_token"]
    with pytest.raises(ValueError, match="months: "):
        by_name["months"].read("[1, 2")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("min_history_days", "Minimum history days"),
        ("sourceUrl", "Source URL"),
        ("MAX_EPOCHS", "Maximum epochs"),
        ("_x__", "X"),
        ("__", "__"),
    ],
)
def test_a_variable_has_a_label_in_words(name: str, label: str) -> None:
    assert label_of(name) == label


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["2022-11", "2022-12"], "2023-01"),
        (["2022-03", "2022-01"], "2022-04"),
        ([], None),
        (["2022-03", "all"], None),
        ("2022-03", None),
        ([1, 7], None),
        (None, None),
    ],
)
def test_the_next_month_is_suggested(value: object, expected: str | None) -> None:
    assert next_month(value) == expected


def test_choices_are_of_declared_variables(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC.replace("choices: {model:", "choices: {modle:"))
    with pytest.raises(SpecError, match="the spec declares no variable 'modle'"):
        open_source(path)


def test_a_run_is_started_with_what_was_entered_and_followed_by_its_events(source: Source) -> None:
    wanted = Wanted({"rows": 5, "model": 'it\'s "x"'}, date(2022, 4, 30), ("one",))
    run = start(source, wanted)
    assert run.wait(120) == 0, run.said()
    found = run.progress()
    assert (found.status, found.done) == ("success", len(found.steps))
    assert (found.steps["one"].state, found.steps["one"].rows) == ("success", 5)
    assert "two" not in found.steps
    assert ask(source.pipeline, "SELECT COUNT(*), MIN(D) FROM ONE") == [(5, "2022-04-30")]
    assert source.history(lambda history: history.run().id) == found.run_id


def test_a_run_that_cannot_start_says_why(source: Source) -> None:
    run = start(source, Wanted({}, select=("nowhere",)))
    assert run.wait(120) == 2
    assert run.progress().run_id is None
    assert "nowhere" in run.said()


def test_a_run_needs_the_permission_of_the_spec(tmp_path: Path) -> None:
    source = open_source(write_spec(tmp_path, SPEC.replace("can_run: true, ", "")))
    with pytest.raises(UsageError, match="can_run: true"):
        start(source, Wanted())


@pytest.mark.slow
def test_a_run_is_canceled_and_can_be_resumed(source: Source) -> None:
    text = source.spec.path.read_text()
    slow = "SELECT COUNT(*) AS N FROM TABLE(GENERATOR(ROWCOUNT => 100000)) a, TABLE(GENERATOR(ROWCOUNT => 100000)) b"
    source.spec.path.write_text(text.replace("SELECT COUNT(*) AS N FROM {{ ref('one') }}", slow))
    run = start(open_source(source.spec.path), Wanted())
    until(lambda: run.progress().steps.get("two", None) is not None and running(run, "two"))
    run.cancel()
    assert run.wait(120) == 130, run.said()
    found = run.progress()
    assert (found.steps["one"].state, found.steps["two"].state) == ("success", "failed")
    assert found.status == "failed"


def test_a_line_that_is_half_written_is_read_later(source: Source, tmp_path: Path) -> None:
    run = object.__new__(StartedRun)
    run.events = tmp_path / "events"
    line = '{"event": "run_finished", "at": "2022-01-01T00:00:00+00:00", "status": "success", "seconds": 1.5}'
    run.events.write_text(line[:40])
    assert run.progress() == Progress()
    run.events.write_text(line + "\n" + line[:10])
    assert run.progress() == Progress(status="success", seconds=1.5)


def test_text_of_a_field_is_shown_as_it_is_read() -> None:
    field = Field("lags", "Lags", Kind.YAML, "")
    for value in ([1, 7], {"a": 1}, None, [{"type": "x" * 80}]):
        assert field.read(field.entered(value)) == value


def running(run: StartedRun, step: str) -> bool:
    return run.progress().steps[step].state == "running"


def until(happens: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)
