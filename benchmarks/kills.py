"""Kill runs of the Citi Bike pipeline with SIGKILL at random moments, resume them, and compare the tables.

    python benchmarks/kills.py [--kills 100] [--in-a-row 5] [--seed 0] [--without STEP ...] [--model TYPE]

A fresh run of the reference pipeline on four small months is killed at a random moment within the duration
of an undisturbed run. It is resumed, the resumed run is killed at a random moment within the time that is
left of that duration, because it does not repeat finished steps, and so on, several times in a row. The last
`run --resume` must finish, and every table must equal the undisturbed run's table row for row, including
the models' predictions. Ids and times of runs are not compared. The processes are forked from this one, so
that the duration excludes imports.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

# Import these before forking; otherwise each killed run would spend its time on imports.
import altair  # noqa: E402, F401
import holidays  # noqa: E402, F401
import vl_convert  # noqa: E402, F401

import snowpipe_ml.targets.local  # noqa: E402, F401
from snowpipe_ml import Pipeline  # noqa: E402
from snowpipe_ml.errors import UsageError  # noqa: E402
from tests.trips import write_months, write_weather  # noqa: E402

MONTHS = ["2020-12", "2021-01", "2021-02", "2021-03"]
VARIABLES = {"lags": [1, 7], "min_history_days": 40, "horizon_days": 5, "max_epochs": 2}
OF_THE_RUN = ("RUN_ID", "RUN_DATE", "MADE_AT", "LAST_LOAD_TIME", "LOADED_AT", "SECONDS", "QUERY_ID")
Tables = dict[str, list[tuple[Any, ...]]]


def prepared(folder: Path, model: str | None) -> Pipeline:
    """The reference pipeline on the small months, with its own warehouse and perhaps another model."""
    folder.mkdir()
    spec = Path(shutil.copy(ROOT / "pipelines" / "citibike.yaml", folder))
    if model is not None:
        document = yaml.safe_load(spec.read_text())
        document["steps"]["deploy_forecaster"]["model"] = {"type": model}
        spec.write_text(yaml.safe_dump(document, sort_keys=False))
    shutil.copytree(ROOT / "pipelines" / "citibike", folder / "citibike")
    data = folder.parent / "data"
    if not data.is_dir():
        write_months(data / "months", MONTHS)
        write_weather(data / "weather.csv")
    variables = {**VARIABLES, "source": str(data / "months"), "weather": str(data / "weather.csv")}
    return Pipeline.from_yaml(spec, vars=variables)


def forked(action: Callable[[], object]) -> int:
    """Run an action in a forked process, and return the process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        action()
        code = 0
    finally:
        os._exit(code)


def waited(child: int) -> bool:
    """Wait for a process, and return whether it succeeded."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def ran(pipeline: Pipeline, without: list[str], *, resume: bool = False) -> None:
    """Run or resume the pipeline; start a new run if there is nothing to resume."""
    try:
        result = pipeline.run(resume=resume, exclude=without)
    except UsageError as error:
        if "nothing to resume" not in str(error):
            raise
        result = pipeline.run(exclude=without)
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}


def tables(pipeline: Pipeline) -> Tables:
    """The sorted rows of every table, without the columns that differ between runs."""
    session = pipeline.session()
    try:
        found: Tables = {}
        for row in session.sql("SHOW TABLES").collect():
            name = str(row["name"])
            frame = session.table(f'"{name}"')
            columns = [column for column in frame.columns if column.strip('"') not in OF_THE_RUN]
            rows = sorted((tuple(row) for row in frame.select(columns).collect()), key=repr)
            found["snapshot" if name.startswith("TRIPS_MODEL_") else name] = rows
        return found
    finally:
        session.close()


def compared(pipeline: Pipeline, wanted: Tables) -> list[str]:
    """The tables that differ from those of the undisturbed run."""
    found = tables(pipeline)
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def main() -> None:
    """Kill, resume and compare runs, and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument(
        "--in-a-row", type=int, default=5, help="number of kills of a run before it may finish"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", nargs="*", default=[], help="steps to leave out")
    parser.add_argument("--model", help="type of the forecaster, if not the pipeline's own")
    arguments = parser.parse_args()
    without = arguments.without
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        undisturbed = prepared(folder / "undisturbed", arguments.model)
        begin = time.perf_counter()
        assert waited(forked(lambda: ran(undisturbed, without)))
        whole = time.perf_counter() - begin
        wanted = tables(undisturbed)
        rows = sum(map(len, wanted.values()))
        print(f"undisturbed: {whole:.1f} s, {len(wanted)} tables, {rows:,} rows")
        killed = runs = 0
        while killed < arguments.kills:
            pipeline = prepared(folder / str(runs), arguments.model)
            moments = []
            for number in range(min(arguments.in_a_row, arguments.kills - killed)):
                child = forked(partial(ran, pipeline, without, resume=number > 0))
                moments.append(round(chance.uniform(0, whole - sum(moments)), 2))
                time.sleep(moments[-1])
                os.kill(child, signal.SIGKILL)
                if waited(child):
                    break  # the process had already finished, so nothing was killed
                killed += 1
            resumed = waited(forked(partial(ran, pipeline, without, resume=True)))
            different = compared(pipeline, wanted) if resumed else ["the run was not resumed"]
            if different:
                sys.exit(f"killed after {moments} s: {', '.join(different)}")
            runs += 1
            shutil.rmtree(folder / str(runs - 1), ignore_errors=True)
        print(f"{killed} kills of {runs} runs: each was resumed, and its tables equal row for row")


if __name__ == "__main__":
    main()
