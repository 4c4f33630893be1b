"""The code of docs/embedding.md runs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from snowpipe_ml import Pipeline
from snowpipe_ml.spec.models import Schedule
from tests import forked
from tests.conftest import ROOT
from tests.integrations.environments import python_of
from tests.integrations.orders import copy_of_example, environment

PAGE = (ROOT / "docs" / "embedding.md").read_text()
BLOCKS = re.findall(r"```python(?: (\w+))?\n(.*?)```", PAGE, re.S)
AIRFLOW = "\nfrom airflow.sdk import DAG\nassert isinstance(dag, DAG) and len(dag.tasks) == 13"
CHECKS = {
    "dagster": "\ndefs.resolve_implicit_global_asset_job_def()",
    "prefect": "\nassert flow.name == 'orders'",
}


def folder_of_example(tmp_path: Path) -> Path:
    """A folder with the example where the page has it."""
    copy_of_example(tmp_path / "examples" / "embedding")
    return tmp_path


@pytest.mark.parametrize("code", [block for tool, block in BLOCKS if not tool])
def test_python(code: str, tmp_path: Path) -> None:
    folder = folder_of_example(tmp_path)
    env = {**environment(folder / "spec"), "ORDERS_FAILURES": str(folder)}
    for name in ("orders", "returns"):
        (folder / name).touch()
    done = forked.python(code, env=env, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "success" in done.stdout
    assert "1344" in done.stdout


@pytest.mark.slow
def test_the_command_line(tmp_path: Path) -> None:
    """The statements of the target ``prod`` are printed; the other two commands on it need an account."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.S)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    assert [line[1] for line in lines] == ["run", "export", "export", "export"]
    folder = folder_of_example(tmp_path)
    env = {**environment(folder / "spec"), "ORDERS_FAILURES": str(folder)}
    for name in ("orders", "returns"):
        (folder / name).touch()
    told = []
    for _, *arguments in lines[:2]:
        done = forked.command(*arguments, cwd=folder, env=env, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        told.append(done.stdout)
    assert "success in" in told[0]
    assert "CREATE OR ALTER TASK ORDERS.ML.ORDERS__SOLD" in told[1]
    assert [line[-1] for line in lines[2:]] == ["--deploy", "--drop"]


@pytest.mark.integrations
def test_the_task_graph(tmp_path: Path) -> None:
    (text,) = re.findall(r"```sh tasks\n(.*?)```", PAGE, re.S)
    folder = folder_of_example(tmp_path)
    spec = folder / "examples" / "embedding" / "orders.yaml"
    session = Pipeline.from_yaml(spec).session()  # keeps the warehouse open
    try:
        printed = []
        for line in text.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "snowpipe-ml"
            done = forked.command(*arguments, cwd=folder, timeout=300)
            assert done.returncode == 0, done.stdout + done.stderr
            printed.append(done.stdout)
    finally:
        session.close()
    assert "13 tasks of ORDERS.ML.ORDERS are resumed" in printed[0]
    assert printed[2].count("SUCCEEDED") == 13
    assert printed[2].count("SCHEDULED") == 1
    assert "FAILED" not in printed[2]


def test_the_schedule() -> None:
    (text,) = re.findall(r"```yaml schedule\n(.*?)```", PAGE, re.S)
    assert Schedule.model_validate(yaml.safe_load(text)["schedule"]).retries == 2


@pytest.mark.integrations
@pytest.mark.parametrize(("tool", "code"), [pair for pair in BLOCKS if pair[0]], ids=lambda value: value[:8])
def test_tools(tool: str, code: str, tmp_path: Path) -> None:
    folder = folder_of_example(tmp_path)
    home = {"PREFECT_HOME": str(folder), "AIRFLOW_HOME": str(folder), "DAGSTER_HOME": ""}
    done = subprocess.run(
        [python_of(tool), "-W", "ignore", "-c", code + CHECKS.get(tool, AIRFLOW)],
        env={**environment(folder / "spec"), **home},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.integrations
def test_the_component(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml component\n(.*?)```", PAGE, re.S)
    attributes = yaml.safe_load(text)["attributes"]
    folder = folder_of_example(tmp_path) / "examples" / "embedding"
    code = (
        "import sys, json\nfrom pathlib import Path\nfrom types import SimpleNamespace\n"
        "from snowpipe_ml.integrations.dagster import PipelineComponent\n"
        "found = PipelineComponent(**json.loads(sys.argv[1])).build_defs(SimpleNamespace(path=Path(sys.argv[2])))\n"
        "assert len(list(found.resolve_all_asset_specs())) == 9"
    )
    done = subprocess.run(
        [python_of("dagster"), "-W", "ignore", "-c", code, json.dumps(attributes), str(folder)],
        env=environment(folder / "spec"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
