"""A Citi Bike run is killed with SIGKILL at random moments and resumed: are the tables as if nothing had happened?

    python benchmarks/kills.py [--kills 100] [--in-a-row 5] [--seed 0]

A fresh run of the reference pipeline, on four small months, is killed at a moment drawn from the time that the
undisturbed run takes. It is resumed, and the run that resumes it is killed, and so on, some times in a row; the
last `run --resume` must finish it, and every table must hold, row for row, what the undisturbed run's holds: what
the models predict too. Ids and times of runs are left out. The processes are forked
from this one, so that imports are no part of that time.
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

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

# Before the forks, or each killed run would spend its time on importing them.
import altair  # noqa: E402, F401
import holidays  # noqa: E402, F401
import vl_convert  # noqa: E402, F401

import snowpipe_ml.targets.local  # noqa: E402, F401
from snowpipe_ml import Pipeline  # noqa: E402
from snowpipe_ml.errors import UsageError  # noqa: E402
from tests.trips import write_months, write_weather  # noqa: E402

MONTHS = ["2020-12", "2021-01", "2021-02", "2021-03"]
VARIABLES = {"lags": [1, 7], "min_history_days": 40, "horizon_days": 5, "max_epochs": 2}
OF_THE_RUN = ("RUN_ID", "RUN_DATE", "LAST_LOAD_TIME", "LOADED_AT")
Tables = dict[str, list[tuple[Any, ...]]]


def prepared(folder: Path) -> Pipeline:
    """The reference pipeline with a warehouse of its own, on the small months."""
    folder.mkdir()
    spec = Path(shutil.copy(ROOT / "pipelines" / "citibike.yaml", folder))
    shutil.copytree(ROOT / "pipelines" / "citibike", folder / "citibike")
    data = folder.parent / "data"
    if not data.is_dir():
        write_months(data / "months", MONTHS)
        write_weather(data / "weather.csv")
    variables = {**VARIABLES, "source": str(data / "months"), "weather": str(data / "weather.csv")}
    return Pipeline.from_yaml(spec, vars=variables)


def forked(action: Callable[[], object]) -> int:
    """Do something in a process of its own, and give the process's number."""
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
    """Whether a process did what it should."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def ran(pipeline: Pipeline, *, resume: bool = False) -> None:
    """Run, or go on with what was killed; what had not begun, or had ended, has nothing to resume."""
    try:
        result = pipeline.run(resume=resume)
    except UsageError as error:
        if "nothing to resume" not in str(error):
            raise
        result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}


def tables(pipeline: Pipeline) -> Tables:
    """Every table's rows in order, without what is the run's own."""
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
    """Kill, resume, compare; print what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--in-a-row", type=int, default=5, help="how often a run is killed before it may end")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        undisturbed = prepared(folder / "undisturbed")
        begin = time.perf_counter()
        assert waited(forked(lambda: ran(undisturbed)))
        whole = time.perf_counter() - begin
        wanted = tables(undisturbed)
        rows = sum(map(len, wanted.values()))
        print(f"undisturbed: {whole:.1f} s, {len(wanted)} tables, {rows:,} rows")
        killed = runs = 0
        while killed < arguments.kills:
            pipeline = prepared(folder / str(runs))
            moments = []
            for number in range(min(arguments.in_a_row, arguments.kills - killed)):
                child = forked(partial(ran, pipeline, resume=number > 0))
                moments.append(round(chance.uniform(0, whole), 2))
                time.sleep(moments[-1])
                os.kill(child, signal.SIGKILL)
                if waited(child):
                    break  # it had ended before: nobody was killed
                killed += 1
            resumed = waited(forked(partial(ran, pipeline, resume=True)))
            different = compared(pipeline, wanted) if resumed else ["it was not resumed"]
            if different:
                sys.exit(f"killed after {moments} s: {', '.join(different)}")
            runs += 1
            shutil.rmtree(folder / str(runs - 1), ignore_errors=True)
        print(f"{killed} kills of {runs} runs: each was resumed, and its tables equal row for row")


if __name__ == "__main__":
    main()
