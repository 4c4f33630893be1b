"""Let files arrive month by month, kill the runs of the change capture with SIGKILL, and compare TRIPS with the bulk road.

    python benchmarks/captures.py [--kills 20] [--seed 0] [--archives FOLDER]

After each file has landed, `pipelines/citibike_cdc.yaml` is run, and killed at random moments within the duration of the
last run that ended. At the end, its view TRIPS must have the rows of the table TRIPS of `pipelines/citibike.yaml`, which
loads all files at once. Without --archives, small months are used.
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
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import snowpipe_ml.targets.local  # noqa: E402, F401
from benchmarks.kills import forked, waited  # noqa: E402
from snowpipe_ml import Pipeline  # noqa: E402
from tests.trips import write_months  # noqa: E402

MONTHS = ["2021-01", "2021-02"]


def prepared(folder: Path, name: str, source: Path) -> Pipeline:
    """A reference pipeline in a folder, on the files of another one."""
    spec = Path(shutil.copy(ROOT / "pipelines" / f"{name}.yaml", folder))
    shutil.copytree(ROOT / "pipelines" / "citibike", folder / "citibike", dirs_exist_ok=True)
    return Pipeline.from_yaml(spec, vars={"source": str(source)})


def ran(pipeline: Pipeline) -> None:
    """Run the steps up to TRIPS, as a scheduler would: always a new run."""
    result = pipeline.run(select=["+trips"])
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}


def trips(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    """The sorted rows of TRIPS, by the names of its columns."""
    session = pipeline.session()
    try:
        frame = session.table("TRIPS")
        return sorted((tuple(row) for row in frame.select(sorted(frame.columns)).collect()), key=repr)
    finally:
        session.close()


def main() -> None:
    """Kill, run again and compare, and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--archives", type=Path, help="a folder with month files")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        landed = folder / "landed"
        landed.mkdir()
        if arguments.archives is None:
            write_months(folder / "months", MONTHS)
        files = sorted((arguments.archives or folder / "months").glob("*csv*"))
        capture = prepared(folder, "citibike_cdc", landed)
        killed, whole, left = 0, 3.0, arguments.kills
        for number, file in enumerate(files):
            shutil.copy(file, landed)
            for _ in range(-(-left // (len(files) - number))):
                child = forked(partial(ran, capture))
                time.sleep(chance.uniform(0, whole))
                os.kill(child, signal.SIGKILL)
                if not waited(child):
                    killed, left = killed + 1, left - 1
            begin = time.perf_counter()
            if not waited(forked(partial(ran, capture))):
                sys.exit(f"the run after {file.name} failed")
            whole = time.perf_counter() - begin
        bulk = prepared(folder, "citibike", landed)
        assert waited(forked(partial(ran, bulk)))
        found, wanted = trips(capture), trips(bulk)
        if found != wanted:
            sys.exit(f"TRIPS has {len(found):,} rows, and the bulk road {len(wanted):,}; they differ")
        print(
            f"{killed} kills of {arguments.kills}, {len(files)} files: TRIPS equal row for row, {len(found):,} rows"
        )


if __name__ == "__main__":
    main()
