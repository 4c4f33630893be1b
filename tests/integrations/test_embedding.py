"""One spec gives the same tables and records from the command line and from Python, whole and in parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from tests import forked
from tests.integrations.orders import DATE, Found, environment, found, last_line

WHOLE = """\
import sys
from datetime import date
from snowpipe_ml import Pipeline
print(int(Pipeline.from_yaml(sys.argv[1]).run(run_date=date.fromisoformat(sys.argv[2])).ok))
"""
BEGIN = """\
import json, sys
from datetime import date
from snowpipe_ml import Pipeline
pipeline = Pipeline.from_yaml(sys.argv[1])
print(json.dumps(pipeline.begin_run(run_date=date.fromisoformat(sys.argv[2]), run_key="nightly").to_json()))
"""
STEP = """\
import json, sys
from snowpipe_ml import Pipeline
spec, handle, step = sys.argv[1:]
print(json.dumps(Pipeline.from_yaml(spec).run_step(json.loads(handle), step, retries=0).to_dict()))
"""
FINISH = """\
import json, sys
from snowpipe_ml import Pipeline
print(int(Pipeline.from_yaml(sys.argv[1]).finish_run(json.loads(sys.argv[2])).ok))
"""


def python(code: str, spec: Path, *arguments: str) -> object:
    done = forked.python(code, spec, *arguments, env=environment(spec), timeout=300)
    assert done.returncode == 0, done.stderr
    return last_line(done.stdout)


def test_a_whole_run_in_python(spec: Path, by_command: Found) -> None:
    assert python(WHOLE, spec, DATE) == 1
    assert found(spec) == by_command


@pytest.mark.slow
def test_each_step_in_a_process(spec: Path, by_command: Found) -> None:
    handle = json.dumps(python(BEGIN, spec, DATE))
    tries = []
    for task in Pipeline.from_yaml(spec).tasks():
        outcome = python(STEP, spec, handle, task.name)
        assert isinstance(outcome, dict)
        if outcome["status"] == "failed":
            assert outcome["transient"]
            tries.append(task.name)
            outcome = python(STEP, spec, handle, task.name)
        assert isinstance(outcome, dict)
        assert outcome["status"] in ("success", "omitted"), outcome
    assert sorted(tries) == ["fetch_orders", "fetch_returns"]
    assert python(FINISH, spec, handle) == 1
    assert found(spec) == by_command
