"""The setting ``when``, and the hooks at the end of a run."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import write_spec

SPEC = """\
vars: {nightly: false, rows: 3}
steps:
  base: {type: transform, query: "SELECT SEQ4() AS ID FROM TABLE(GENERATOR(ROWCOUNT => {{ vars.rows | literal }}))", writes: base}
  night: {type: transform, when: "{{ vars.nightly }}", query: SELECT 1 AS X, writes: night}
  after: {type: transform, query: "SELECT * FROM {{ ref('night') }}", writes: after_night}
  enough:
    type: transform
    when: {query: "SELECT COUNT(*) > 5 FROM {{ ref('base') }}"}
    query: SELECT 1 AS X
    writes: enough
  beyond: {type: transform, query: "SELECT * FROM {{ ref('enough') }}", writes: beyond}
"""


def test_a_step_whose_condition_is_false_is_omitted_with_what_needs_it(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    planned = {step.name: step.decision for step in pipeline.plan(compare=True)}
    assert planned["night"] is not None
    assert planned["night"].action.value == "omit"
    result = pipeline.run()
    assert result.ok
    told = {name: (step.status.value, step.message) for name, step in result.steps.items()}
    assert told == {
        "base": ("success", ""),
        "night": ("omitted", "its condition is false"),
        "after": ("omitted", "needs night, which is omitted"),
        "enough": ("omitted", "its condition is false"),
        "beyond": ("omitted", "needs enough, which is omitted"),
    }
    pipeline.variables |= {"nightly": True, "rows": 9}
    assert {step.status.value for step in pipeline.run().steps.values()} == {"success"}


def test_what_depends_on_it_goes_on_with_what_is_there(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC), vars={"nightly": True, "rows": 9})
    assert pipeline.run().ok
    pipeline.variables |= {"nightly": False, "rows": 2}
    write_spec(
        tmp_path,
        SPEC.replace("SELECT * FROM {{ ref('night') }}", "SELECT X + 1 AS X FROM {{ ref('night') }}"),
    )
    result = pipeline.run()
    told = {name: step.status.value for name, step in result.steps.items()}
    assert told == {
        "base": "success",
        "night": "omitted",
        "after": "success",
        "enough": "omitted",
        "beyond": "success",
    }
    session = pipeline.session()
    assert session.sql("SELECT X FROM AFTER_NIGHT").collect() == [(2,)]
    session.close()


def test_the_tables_of_a_condition_are_edges(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    assert pipeline.graph().needs("enough") == ["base"]
    with pytest.raises(SpecError, match=r"unknown table 'bas'"):
        Pipeline.from_yaml(
            write_spec(tmp_path, SPEC.replace("FROM {{ ref('base') }}", "FROM {{ ref('bas') }}"))
        ).validate()


HOOKS = """\
tables:
  alerts: {columns: {RUN_ID: varchar, STATUS: varchar, FAILED: varchar}}
on_success:
  - query: INSERT INTO {{ ref('alerts') }} SELECT {{ run.id | literal }}, {{ run.status | literal }}, NULL
  - command: [python, -c, "import sys; open(sys.argv[1], 'w').write('it ended')", "FOLDER/ended $HOME {{ run.status }}"]
  - command: ["false"]
on_failure:
  - query: INSERT INTO {{ ref('alerts') }} SELECT {{ run.id | literal }}, {{ run.status | literal }}, {{ run.failed | join | literal }}
steps:
  one: {type: transform, query: "SELECT 1 / {{ vars.by | literal }} AS X", writes: one}
vars: {by: 1}
"""


def test_hooks_run_when_the_run_has_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, HOOKS.replace("FOLDER", str(tmp_path))))
    with caplog.at_level(logging.WARNING):
        good = pipeline.run()
    assert good.ok
    assert (tmp_path / "ended $HOME success").read_text() == "it ended"
    assert "on_success, number 3: false exited with 1" in caplog.text
    pipeline.variables["by"] = 0
    bad = pipeline.run()
    session = pipeline.session()
    assert session.sql("SELECT * FROM ALERTS ORDER BY RUN_ID").collect() == sorted(
        [(good.run.id, "success", None), (bad.run.id, "failed", "one")]
    )
    session.close()


def test_a_hook_is_one_thing(tmp_path: Path) -> None:
    text = HOOKS.replace('command: ["false"]', "{}").replace(
        "  - {}", '  - {query: SELECT 1, command: ["true"]}'
    )
    with pytest.raises(SpecError, match="give either query"):
        Pipeline.from_yaml(write_spec(tmp_path, text)).validate()
