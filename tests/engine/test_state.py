"""Records as they are written to the state store, few or many at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.events import RunStarted, Status, StepFinished
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.sql import Identifier, QualifiedName

STARTED = RunStarted("r1", "demo", "local", datetime(2026, 1, 2, tzinfo=UTC), ("step",), False, {})
MESSAGES = ["plain", "it's \\ 'quoted'", "two\nlines", "ünïcödé 🚲", "$$ {{ x }} -- ?", ""]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("nul", [False, True])
def test_records_are_read_as_they_were_written(session: Any, query: Any, times: int, nul: bool) -> None:
    """The values of records are bound, so that every text is read as it was written."""
    state = State(session.connection, QualifiedName((Identifier("LOCAL"), Identifier("SNOWPIPE_ML"))))
    state.prepare()
    messages = [f"{message}{number}" for number in range(times) for message in MESSAGES]
    messages += ["zero\0byte"] * nul
    for number, message in enumerate(messages):
        rows = number if number % 2 else None
        state.step_finished(
            STARTED, StepFinished(f"s{number}", Status.SUCCESS, rows, 0.25, message, ()), {"n": number}
        )
    assert state.pending
    state.flush()
    assert not state.pending
    found = query(
        "SELECT STEP, STATUS, ROW_COUNT, SECONDS, MESSAGE, ERROR, PARSE_JSON(DETAILS):n::NUMBER, AT IS NOT NULL "
        "FROM SNOWPIPE_ML.EVENTS ORDER BY SUBSTR(STEP, 2)::NUMBER"
    )
    assert found == [
        (f"s{number}", "success", number if number % 2 else None, 0.25, message, None, number, True)
        for number, message in enumerate(messages)
    ]


def test_a_secret_that_is_a_name_by_chance_hides_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for secret, name in (
        ("DB_PASSWORD", "nesting"),
        ("API_TOKEN", "hatching"),
        ("FTP_PASSWORD", "fledglings"),
    ):
        monkeypatch.setenv(secret, name)
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "name: nesting\ntargets:\n  local: {type: local, path: warehouse}\nsteps:\n"
        "  hatching: {type: transform, query: SELECT 1 AS X, writes: fledglings}\n"
    )
    assert Pipeline.from_yaml(spec).run().ok
    assert [step.status.value for step in Pipeline.from_yaml(spec).run().steps.values()] == ["reused"]
