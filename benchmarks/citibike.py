"""Measure the step times of the reference pipeline, and the stations trained per second.

    python benchmarks/citibike.py [--source FOLDER --weather FILE]

The floor for training is the same handler, called for a partition of stations in this process on one
thread. The ratio of the two rates shows the cost of the embedded warehouse.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOOR_STATIONS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="sample")
    parser.add_argument("--weather", default="sample")
    parser.add_argument("--vars", default="{}", help="additional variables, as JSON")
    arguments = parser.parse_args()
    from snowpipe_ml import Pipeline

    variables = {"source": arguments.source, "weather": arguments.weather, **json.loads(arguments.vars)}
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(shutil.copy(ROOT / "pipelines" / "citibike.yaml", folder))
        shutil.copytree(ROOT / "pipelines" / "citibike", Path(folder) / "citibike")
        pipeline = Pipeline.from_yaml(spec, vars=variables)
        begin = time.perf_counter()
        result = pipeline.run()
        total = time.perf_counter() - begin
        if not result.ok:
            sys.exit("\n".join(f"{n}: {s.message}" for n, s in result.steps.items() if s.error))
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"duckdb {version('duckdb')}, torch {version('torch')}"
        )
        print(f"{'step':<24}{'seconds':>9}{'rows':>12}")
        for name, step in result.steps.items():
            if "." not in name:
                print(f"{name:<24}{step.seconds:>9.2f}{step.rows if step.rows is not None else '':>12}")
        print(f"{'run':<24}{total:>9.2f}")
        train = result.steps["train_stations"]
        models = int(train.message.split()[0])
        rate = models / train.seconds
        floor = _floor(pipeline, spec)
        print(
            f"stations trained per second: {rate:.2f} "
            f"({models} in {train.seconds:.1f} s, including the start of the workers)"
        )
        print(f"floor, one process, one thread: {floor:.2f}; ratio {rate / floor:.2f}")


def _floor(pipeline: object, spec: Path) -> float:
    """The stations that the handler alone trains per second, on one partition."""
    import torch

    torch.set_num_threads(1)
    session = pipeline.session()
    (imports,) = (session.connection.storage.path / "functions").iterdir()
    sys._xoptions["snowflake_import_directory"] = f"{imports}/"
    from snowpipe_ml.models.udtf import ForecastPartition

    handler = ForecastPartition()
    names = ["STATION_ID", "DATE", "COUNT", *(feature["name"] for feature in handler.config["features"])]
    listed = ", ".join(names)
    frame = session.sql(
        f"SELECT {listed} FROM (SELECT {listed} FROM FEATURES UNION ALL SELECT {listed} FROM FUTURE_FEATURES) "
        f"QUALIFY DENSE_RANK() OVER (ORDER BY STATION_ID) <= {FLOOR_STATIONS}"
    ).to_pandas()
    session.close()
    handler.end_partition(frame)  # import the libraries before the measurement
    begin = time.perf_counter()
    handler.end_partition(frame)
    return FLOOR_STATIONS / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
