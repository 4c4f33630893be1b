"""Measure what an orchestrator costs: to draw a pipeline, and to run a step of it.

    python benchmarks/orchestrators.py [--tools TOOL ...] [--steps 30 500] [--runs 5 25]

All figures are seconds of CPU, of all processes, so that they depend little on what else the machine does. Each tool
runs in a separate environment, which tests/integrations creates in the user's cache folder. The cost of a step is the
difference between runs of two lengths, so that it excludes the start of the tool. Its steps are trivial
transforms: what remains is the engine, the embedded warehouse, and the tool.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

# The path to the tests must be known first.
from tests.integrations.environments import python_of  # noqa: E402

DRAW = """\
import json, sys, time
{tool}
began = time.process_time()
{ours}
imported = time.process_time() - began
seconds = []
for spec in sys.argv[1:]:
    began = time.process_time()
    drawn = {call}
    seconds.append(time.process_time() - began)
print(json.dumps([imported, *seconds]))
"""
DRAWN = {
    "python": ("", "from snowpipe_ml import Pipeline", "Pipeline.from_yaml(spec).tasks()"),
    "tasks": (
        "",
        "from snowpipe_ml import Pipeline\nfrom snowpipe_ml.engine.export.graph import draw",
        "draw(Pipeline.from_yaml(spec)).create_tasks()",
    ),
    "airflow": (
        "from airflow.sdk import DAG",
        "from snowpipe_ml.integrations.airflow import PipelineDag",
        "PipelineDag(spec, dag_id='d' + str(len(seconds)), schedule=None)",
    ),
    "dagster": (
        "import dagster",
        "from snowpipe_ml.integrations.dagster import pipeline_assets",
        "pipeline_assets(spec)",
    ),
    "prefect": (
        "import prefect",
        "from snowpipe_ml.integrations.prefect import pipeline_flow",
        "pipeline_flow(spec)",
    ),
}
RUN = {
    "command line": (None, "from snowpipe_ml.cli.main import main\nmain(['run', sys.argv[1]])"),
    "python, in parts": (
        None,
        "from snowpipe_ml import Pipeline\n"
        "pipeline = Pipeline.from_yaml(sys.argv[1])\n"
        "held = pipeline.session()\n"
        "handle = pipeline.begin_run()\n"
        "assert all(pipeline.run_step(handle, task.name).status.good for task in pipeline.tasks())\n"
        "assert pipeline.finish_run(handle).ok",
    ),
    "dagster": (
        "dagster",
        "import dagster as dg\n"
        "from snowpipe_ml.integrations.dagster import definitions, pipeline_assets\n"
        "job = definitions(pipeline_assets(sys.argv[1])).resolve_implicit_global_asset_job_def()\n"
        "assert job.execute_in_process().success",
    ),
    "dagster, op_per_step": (
        "dagster",
        "import dagster as dg\n"
        "from snowpipe_ml.integrations.dagster import definitions, pipeline_assets\n"
        "found = pipeline_assets(sys.argv[1], op_per_step=True)\n"
        "assert definitions(found).resolve_implicit_global_asset_job_def().execute_in_process().success",
    ),
    "airflow, tasks in one process": (
        "airflow",
        "import subprocess\n"
        "from pathlib import Path\n"
        "Path('dags').mkdir(exist_ok=True)\n"
        "Path('dags/measured.py').write_text(f'''\n"
        "from datetime import UTC, datetime\n"
        "from snowpipe_ml.integrations.airflow import PipelineDag\n"
        "day = datetime(2022, 1, 1, tzinfo=UTC)\n"
        "dag = PipelineDag({sys.argv[1]!r}, schedule=None, start_date=day)\n"
        "if __name__ == '__main__':\n"
        "    assert str(dag.test(logical_date=day).state) == 'success'\n"
        "''')\n"
        "for command in (['-m', 'airflow', 'db', 'migrate'], ['dags/measured.py']):\n"
        "    subprocess.run([sys.executable, *command], check=True)",
    ),
    "prefect": (
        "prefect",
        "from prefect.testing.utilities import prefect_test_harness\n"
        "from snowpipe_ml.integrations.prefect import pipeline_flow\n"
        "with prefect_test_harness(server_startup_timeout=300):\n"
        "    assert pipeline_flow(sys.argv[1])()",
    ),
    "task graph": (
        None,
        "from snowpipe_ml import Pipeline\n"
        "from snowpipe_ml.engine.export.deployment import deploy\n"
        "from snowpipe_ml.engine.export.graph import draw\n"
        "pipeline = Pipeline.from_yaml(sys.argv[1])\n"
        "session = pipeline.session()\n"
        "graph = draw(pipeline)\n"
        "deploy(graph)\n"
        "session.sql(f'EXECUTE TASK {graph.root.sql}').collect()\n"
        "states = session.sql('SELECT STATUS FROM SNOWPIPE_ML.RUNS').collect()\n"
        "assert [row[0] for row in states] == ['success']\n"
        "session.close()",
    ),
}


def write(folder: Path, steps: int) -> Path:
    """Write a spec in which each step reads the one three before it, and return it."""
    folder.mkdir(parents=True)
    lines = []
    for n in range(steps):
        query = f"SELECT X FROM {{{{ ref('t{n - 3}') }}}}" if n > 2 else "SELECT 1 AS X"
        lines.append(f'  s{n}: {{type: transform, query: "{query}", writes: t{n}}}')
    spec = folder / "spec.yaml"
    spec.write_text(
        "name: measured\n"
        "targets: {local: {type: local, path: warehouse, database: BENCH}}\n"
        "schedule: {cron: '0 6 2 * *'}\nsteps:\n" + "\n".join(lines) + "\n"
    )
    return spec


def cpu(tool: str | None, code: str, folder: Path, *arguments: Path) -> tuple[float, str]:
    """Run code in the environment of a tool, and return its CPU seconds, with its children's, and its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [
            python_of(tool) if tool else sys.executable,
            "-W",
            "ignore",
            "-c",
            f"import sys\n{code}",
            *arguments,
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "",
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PREFECT_HOME": str(folder),
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "DO_NOT_TRACK": "1",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{tool or 'python'} failed:\n{done.stdout}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def draw(wanted: Callable[[str], bool], counts: list[int], folder: Path) -> None:
    """Print the seconds to import and to draw."""
    specs = [write(folder / f"draw{count}", count) for count in counts]
    print("| drawn by | import of this package | " + " | ".join(f"{n} steps" for n in counts) + " |")
    for name, (tool, ours, call) in DRAWN.items():
        if not wanted(name):
            continue
        code = DRAW.format(tool=tool, ours=ours, call=call)
        environment = name if tool else None
        for _ in range(2):  # the first run compiles the package
            _, out = cpu(environment, code, folder, *specs)
        print(
            f"| {name} | " + " | ".join(f"{s:.2f}" for s in json.loads(out.splitlines()[-1])) + " |",
            flush=True,
        )


def run(wanted: Callable[[str], bool], counts: list[int], folder: Path) -> None:
    """Print the seconds of a run, and of a step more."""
    print(
        "| run by | " + " | ".join(f"{n} steps" for n in counts) + " | a step | more than the command line |"
    )
    least: float | None = None
    for name, (tool, code) in RUN.items():
        if name != "command line" and not wanted(
            tool or name.partition(",")[0].replace("task graph", "tasks")
        ):
            continue
        seconds = [cpu(tool, code, folder, write(folder / f"{name} {count}", count))[0] for count in counts]
        step = (seconds[-1] - seconds[0]) / (counts[-1] - counts[0])
        least = step if least is None else least
        cells = [f"{s:.1f}" for s in seconds] + [f"{step:.2f}", f"{step - least:.2f}"]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tools", nargs="*", choices=list(DRAWN), default=list(DRAWN))
    parser.add_argument("--steps", nargs="*", type=int, default=[30, 500])
    parser.add_argument("--runs", nargs="*", type=int, default=[5, 25])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.steps:
            draw(options.tools.__contains__, options.steps, Path(name))
        if options.runs:
            run(options.tools.__contains__, options.runs, Path(name))


if __name__ == "__main__":
    main()
