"""Measure staged wheels and a model in a function: resolution, upload, cold start, warm call and batches.

    python benchmarks/insurance.py [--charges FILE] [--rows 100000]

Prints each time, and compares the rate of batch prediction with the common alternative: a scalar function
that is called once per row and predicts a DataFrame of one row (its rate is measured on 200 rows).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.imports import Imports

ROOT = Path(__file__).parents[1]
FEATURES = ("AGE", "SEX", "BMI", "CHILDREN", "SMOKER", "REGION")


def timed(what: str, call: Callable[[], Any]) -> tuple[float, Any]:
    """Call a function and print its time."""
    start = time.perf_counter()
    found = call()
    seconds = time.perf_counter() - start
    print(f"{what:<60} {seconds:8.2f} s", flush=True)
    return seconds, found


def main() -> None:
    """Run all measurements on a temporary warehouse."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--charges", default="sample")
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "pipelines" / "insurance", Path(folder) / "insurance")
        for name in ("insurance_autogluon.yaml", "insurance_autogluon.lock.yaml"):
            shutil.copy(ROOT / "pipelines" / name, folder)
        charges = options.charges if options.charges == "sample" else str(Path(options.charges).resolve())
        measure(
            Pipeline.from_yaml(Path(folder) / "insurance_autogluon.yaml", vars={"charges": charges}),
            options.rows,
        )


def measure(pipeline: Pipeline, rows: int) -> None:
    """Resolve the imports, run the pipeline twice, and call the functions."""
    timed("resolve the requirements, wheels in the cache", lambda: Imports(pipeline).resolved(fresh=True))
    timed("read and check the lock", lambda: Imports(pipeline).resolved())
    _, first = timed("the pipeline, first run", pipeline.run)
    _, second = timed("the pipeline, second run", pipeline.run)
    for label, result in (("first", first), ("unchanged", second)):
        assert result.ok, result
        step = result.steps["imports.autogluon"]
        print(f"{f'upload of the wheels, {label}: {step.message}':<60} {step.seconds:8.2f} s")
        print(f"{f'training, {label} run':<60} {result.steps['train_charges'].seconds:8.2f} s")
    one = "19, 'female', 27.9, 0, 'yes', 'southwest'"
    session = pipeline.session()
    try:
        timed(
            "cold start: the function's first call, one row",
            lambda: session.sql(f"SELECT PREDICT_CHARGES({one})").collect(),
        )
        timed("warm call, one row", lambda: session.sql(f"SELECT PREDICT_CHARGES({one})").collect())
        listed = ", ".join(FEATURES)
        copies = rows // session.table("INSURANCE").count() + 1
        session.sql(
            f"CREATE OR REPLACE TABLE MANY AS SELECT {listed} FROM INSURANCE, TABLE(GENERATOR(ROWCOUNT => {copies})) LIMIT {rows}"
        ).collect()
        batch, _ = timed(
            f"vectorized, {rows:,} rows",
            lambda: session.sql(f"SELECT AVG(PREDICT_CHARGES({listed})) FROM MANY").collect(),
        )
        few = "(SELECT * FROM MANY LIMIT 200) AS FEW"
        session.sql(f"SELECT PREDICT_CHARGES(ARRAY_CONSTRUCT({one}))").collect()
        scalar, _ = timed(
            "one row per call, 200 rows",
            lambda: session.sql(
                f"SELECT AVG(PREDICT_CHARGES(ARRAY_CONSTRUCT({listed}))) FROM {few}"
            ).collect(),
        )
        fast, slow = rows / batch, 200 / scalar
        print(
            f"rows per second: vectorized {fast:,.0f}, one row per call {slow:,.1f}: {fast / slow:,.0f} times"
        )
    finally:
        session.close()


if __name__ == "__main__":
    main()
