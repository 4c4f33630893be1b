"""Transient errors and lost replies."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from snowflake.connector.errors import OperationalError, ProgrammingError

from snowpipe_ml import Pipeline
from snowpipe_ml.backoff import retrying
from snowpipe_ml.engine import retry
from snowpipe_ml.engine.events import StepRetried
from snowpipe_ml.engine.run import run
from snowpipe_ml.local.client.connection import Connection
from tests.conftest import write_spec

SPEC = """\
tables:
  appended: {columns: {ID: number, NAME: varchar}}
stages: {landing: {}}
steps:
  base: {type: transform, query: "SELECT SEQ4() AS ID, 'x' || SEQ4() AS NAME FROM TABLE(GENERATOR(ROWCOUNT => 500))", writes: base}
  twice: {type: transform, query: "SELECT ID * 2 AS ID, NAME FROM {{ ref('base') }}", writes: twice}
  seen: {type: transform, query: "SELECT * FROM {{ ref('twice') }} WHERE ID > 10", writes: seen, materialized: view}
  parts: {type: split, from: seen, by: [ID], train: learnt, test: held_out}
  judged: {type: evaluate, predictions: held_out, actual: ID, prediction: ID, writes: judged}
  checked: {type: expect, table: learnt, unique: [ID], failures: failed}
  copy: {type: snapshot, table: twice, into: twice_copy}
"""
TABLES = ("BASE", "TWICE", "SEEN", "LEARNT", "HELD_OUT", "FAILED", "TWICE_COPY")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the waiting between retries, which is not under test."""
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(run.Runner, "sleep", staticmethod(lambda seconds: None))


@pytest.fixture
def unreliable(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, int], list[str]]:
    """Make a share of all statements fail like a lost connection, half of them after they took effect."""
    plain = Connection.perform

    def start(share: float, seed: int) -> list[str]:
        chance, failed = random.Random(seed), []

        def perform(self: Connection, command: str, *arguments: Any) -> Any:
            lost = chance.random() < share
            if lost:
                failed.append(command)
                if chance.random() < 0.5:
                    plain(self, command, *arguments)
                raise OperationalError(msg="Failed to connect", errno=250001)
            return plain(self, command, *arguments)

        monkeypatch.setattr(Connection, "perform", perform)
        return failed

    yield start
    monkeypatch.setattr(Connection, "perform", plain)


def content(pipeline: Pipeline) -> dict[str, list[Any]]:
    session = pipeline.session()
    try:
        found = {name: sorted(map(tuple, session.table(name).collect()), key=str) for name in TABLES}
        found["JUDGED"] = [tuple(row) for row in session.sql("SELECT ROW_COUNT, RMSE FROM JUDGED").collect()]
        return found
    finally:
        session.close()


@pytest.mark.parametrize(
    "runs", [pytest.param(2, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.stress)]
)
def test_unreliable_runs_end_as_an_undisturbed_one(
    tmp_path: Path, unreliable: Any, monkeypatch: Any, runs: int
) -> None:
    plain = Connection.perform
    # Which statements fail depends on how the threads interleave: with as many retries, no step can use them up.
    spec = yaml.safe_load(SPEC)
    spec["steps"] = {name: {**step, "retries": 20} for name, step in spec["steps"].items()}
    text = yaml.safe_dump(spec, sort_keys=False)
    expected_pipeline = Pipeline.from_yaml(write_spec(tmp_path / "calm", text))
    assert expected_pipeline.run().ok
    expected = content(expected_pipeline)
    lost = 0
    for seed in range(runs):
        pipeline = Pipeline.from_yaml(write_spec(tmp_path / str(seed), text))
        failed = unreliable(0.05, seed)
        result = pipeline.run(threads=2)
        monkeypatch.setattr(Connection, "perform", plain)
        assert result.ok, (
            seed,
            {name: step.message for name, step in result.steps.items() if step.error},
            failed,
        )
        assert content(pipeline) == expected
        lost += len(failed)
    assert lost > 2 * runs


def test_a_terminal_error_is_not_tried_again(tmp_path: Path) -> None:
    events: list[Any] = []
    spec = SPEC + '  bad: {type: transform, query: "SELECT 1 / 0 AS X", writes: bad}\n'
    result = Pipeline.from_yaml(write_spec(tmp_path, spec)).run(listeners=[events.append])
    assert "Division by zero" in result.steps["bad"].message
    assert not [event for event in events if isinstance(event, StepRetried)]


def test_a_step_gives_up_after_its_retries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Any] = []
    pipeline = Pipeline.from_yaml(
        write_spec(
            tmp_path, 'steps:\n  one: {type: transform, query: "SELECT 1 AS X", writes: one, retries: 2}\n'
        )
    )
    plain = Connection.perform

    def perform(self: Connection, command: str, *arguments: Any) -> Any:
        if "SELECT 1 AS X" in command and "EVENTS" not in command:
            raise OperationalError(msg="Failed to connect", errno=250001)
        return plain(self, command, *arguments)

    monkeypatch.setattr(Connection, "perform", perform)
    result = pipeline.run(listeners=[events.append])
    assert not result.ok
    assert [event.attempt for event in events if isinstance(event, StepRetried)] == [1, 2]
    assert "Failed to connect" in result.steps["one"].message


def test_which_errors_pass() -> None:
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = ConnectionResetError()
    passing = [
        OperationalError(msg="x", errno=290503),
        ProgrammingError(msg="x", errno=625),
        wrapped,
        TimeoutError(),
    ]
    lasting = [ProgrammingError(msg="x", errno=2003), ValueError("x"), OSError(28, "No space left on device")]
    assert [retry.is_transient(error) for error in (*passing, *lasting)] == [True] * 4 + [False] * 3


def test_the_waits_grow_and_differ() -> None:
    delays: list[float] = []

    def fail() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        retrying(8, retry.is_transient, delays.append, first=1, most=20)(fail)
    assert all(
        longest / 2 <= d <= longest for d, longest in zip(delays, [1, 2, 4, 8, 16, 20, 20, 20], strict=True)
    )


def test_an_interrupt_is_not_retried_even_after_a_transient_error() -> None:
    calls: list[None] = []

    def interrupted() -> None:
        calls.append(None)
        try:
            raise ConnectionResetError
        finally:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retry.again(interrupted, sleep=lambda seconds: None)
    assert len(calls) == 1
