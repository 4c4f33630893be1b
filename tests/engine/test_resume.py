"""Resuming a run that failed or was killed."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import UsageError
from tests import forked
from tests.conftest import ask, write_spec

SPEC = """\
tags: {model_id: {value: "{{ run.model_id }}"}}
steps:
  a: {type: transform, query: "SELECT RANDOM() AS X", writes: ta}
  copy: {type: snapshot, table: ta, into: "ta_{{ run.model_id }}"}
  bad: {type: transform, query: "SELECT X / 0 AS Y FROM {{ ref('ta') }}", writes: tbad}
  after: {type: transform, query: "SELECT * FROM {{ ref('tbad') }}", writes: tafter}
  apart: {type: transform, query: SELECT 2 AS X, writes: tapart}
"""


def statuses(result: Any) -> dict[str, str]:
    return {name: step.status.value for name, step in result.steps.items() if "." not in name}


def test_a_mended_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    first = pipeline.run()
    before = ask(pipeline, "SELECT X FROM TA")
    write_spec(tmp_path, SPEC.replace("X / 0 AS Y", "X AS Y"))
    second = pipeline.run(resume=True)
    assert second.ok
    assert (second.run.id, second.run.model_id) == (first.run.id, first.run.model_id)
    assert statuses(second) == {
        "a": "reused",
        "copy": "reused",
        "apart": "reused",
        "bad": "success",
        "after": "success",
    }
    assert ask(pipeline, "SELECT X FROM TA") == before == ask(pipeline, "SELECT Y FROM TAFTER")
    assert ask(pipeline, "SELECT RUN_ID, STATUS FROM SNOWPIPE_ML.RUNS") == [(first.run.id, "success")]
    assert ask(
        pipeline, "SELECT COUNT(*), COUNT(DISTINCT STEP) FROM SNOWPIPE_ML.STEP_RUNS WHERE STEP = 'bad'"
    ) == [(1, 1)]
    with pytest.raises(UsageError, match="succeeded: there is nothing to resume"):
        pipeline.run(resume=True)


def test_what_changed_or_is_gone_runs_again_with_all_that_needs_it(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    run = pipeline.run().run.id
    ask(pipeline, "DROP TABLE TAPART")
    write_spec(tmp_path, SPEC.replace("RANDOM() AS X", "41 AS X").replace("X / 0 AS Y", "X AS Y"))
    result = pipeline.run(resume=run)
    assert statuses(result) == dict.fromkeys(["a", "copy", "bad", "after", "apart"], "success")
    with pytest.raises(UsageError, match="no run 'nonsense' of"):
        pipeline.run(resume="nonsense")


def test_fail_fast_begins_nothing_more(tmp_path: Path) -> None:
    spec = SPEC.replace("query: SELECT 2 AS X,", "query: SELECT 2 AS X, needs: [copy],")
    result = Pipeline.from_yaml(write_spec(tmp_path, spec)).run(fail_fast=True, threads=1)
    assert not result.ok
    assert "skipped" in statuses(result).values()


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is nothing to resume"):
        Pipeline.from_yaml(write_spec(tmp_path, SPEC)).run(resume=True)


CHAIN = (
    "steps:\n"
    '  s0: {type: transform, query: "SELECT SEQ4() AS ID FROM TABLE(GENERATOR(ROWCOUNT => 2000))", writes: t0}\n'
    + "".join(
        f"  s{i}: {{type: transform, query: \"SELECT ID, {i} AS STEP FROM {{{{ ref('t{i - 1}') }}}}\", writes: t{i}}}\n"
        for i in range(1, 12)
    )
    + "  score: {type: evaluate, predictions: t11, actual: ID, prediction: STEP, writes: scores}\n"
)


def unfinished(pipeline: Pipeline) -> bool:
    """Return whether the last run was killed after it had recorded its start."""
    if not ask(pipeline, "SHOW SCHEMAS LIKE 'SNOWPIPE_ML'"):
        return False
    if not ask(pipeline, "SHOW VIEWS LIKE 'STEP_RUNS' IN SCHEMA SNOWPIPE_ML"):
        return False
    return bool(ask(pipeline, "SELECT 1 FROM SNOWPIPE_ML.RUNS WHERE STATUS IS NULL"))


@pytest.mark.parametrize("kills", [3, pytest.param(8, marks=pytest.mark.stress)])
def test_killed_at_random_moments_a_run_is_finished_by_resuming(tmp_path: Path, kills: int) -> None:
    path = write_spec(tmp_path, CHAIN)
    pipeline = Pipeline.from_yaml(path)
    chance = random.Random(5)
    for _ in range(kills):
        resume = ["--resume"] if unfinished(pipeline) else ["--full-refresh"]
        process = forked.start_command("run", path, *resume, new_session=True)
        time.sleep(chance.uniform(0.1, 2.0))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    if unfinished(pipeline):
        assert pipeline.run(resume=True).ok
    elif not ask(pipeline, "SHOW TABLES LIKE 'SCORES'"):
        assert pipeline.run().ok
    assert ask(pipeline, "SELECT COUNT(*), MIN(STEP) FROM T11") == [(2000, 11)]
    # Rows are appended once per run of the step, however often the run was killed.
    scored = "SELECT DISTINCT RUN_ID FROM SNOWPIPE_ML.EVENTS WHERE STEP = 'score' AND STATUS = 'success'"
    assert ask(
        pipeline, f"SELECT COUNT(*), COUNT(DISTINCT RUN_ID) FROM SCORES WHERE RUN_ID IN ({scored})"
    ) == [(n, n) for (n,) in ask(pipeline, f"SELECT COUNT(*) FROM ({scored})")]
    assert ask(pipeline, "SELECT COUNT(*) - COUNT(DISTINCT RUN_ID) FROM SCORES") == [(0,)]


VARIED = """\
vars: {months: 1, password: none}
steps:
  a: {type: transform, query: "SELECT {{ vars.months | literal }} AS M, LENGTH({{ vars.password | literal }}) AS N", writes: ta}
  bad: {type: transform, query: "SELECT M / 0 AS Y FROM {{ ref('ta') }}", writes: tbad}
  after: {type: transform, query: "SELECT {{ vars.months | literal }} AS M FROM {{ ref('tbad') }}", writes: tafter}
"""


def test_a_run_goes_on_with_the_variables_that_it_was_given(tmp_path: Path) -> None:
    path = write_spec(tmp_path, VARIED)
    assert not Pipeline.from_yaml(path, vars={"months": 3}).run().ok
    write_spec(tmp_path, VARIED.replace("M / 0 AS Y", "M AS Y"))
    plain = Pipeline.from_yaml(path)
    second = plain.run(resume=True)
    assert second.ok
    assert statuses(second) == {"a": "reused", "bad": "success", "after": "success"}
    assert ask(plain, "SELECT Y, M FROM TBAD, TAFTER") == [(3, 3)]
    with plain.history(None) as history:
        assert "# given for this run: months: 3" in history.run(second.run.id).spec
        third = Pipeline.from_yaml(path, vars={"months": 4}).run()
        found = history.difference(second.run.id, third.run.id)
    assert [line for line in found.spec if line.startswith(("-#", "+#"))] == [
        "-# given for this run: months: 3",
        "+# given for this run: months: 4",
    ]


def test_what_is_given_now_counts_more(tmp_path: Path) -> None:
    path = write_spec(tmp_path, VARIED)
    assert not Pipeline.from_yaml(path, vars={"months": 3}).run().ok
    write_spec(tmp_path, VARIED.replace("M / 0 AS Y", "M AS Y"))
    pipeline = Pipeline.from_yaml(path, vars={"months": 5})
    assert pipeline.run(resume=True).ok
    assert ask(pipeline, "SELECT Y FROM TBAD") == [(5,)]


def test_a_secret_is_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PASSWORD", "correct horse")
    path = write_spec(tmp_path, VARIED)
    first = Pipeline.from_yaml(path, vars={"password": "correct horse"}).run()
    assert not first.ok
    with pytest.raises(
        UsageError,
        match=f"the run {first.run.id} was given secrets, which are not stored: give password again",
    ):
        Pipeline.from_yaml(path).run(resume=True)
