"""Compare all models on the reference pipeline: the gain by `best_of`, and the coverage of the intervals.

    python benchmarks/leaderboard.py [--source FOLDER --weather FILE --months 2022-01 2022-02 2022-03]
    python benchmarks/leaderboard.py --origins 10 --without auto_arima

The pipeline's forecaster is replaced by `best_of` over all models, with three origins and a horizon of 14
days. Only the last origin is scored; the earlier origins choose the candidates of `best_of` and calibrate
the intervals. A single fortnight is one sample, so with more origins the coverage of the intervals is
printed for each of them.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SINGLE = [
    {"type": "tabnet"},
    {"type": "ridge"},
    {"type": "lightgbm"},
    {"type": "lightgbm_global", "objective": "poisson"},
    {"type": "seasonal_naive"},
    {"type": "moving_average"},
    {"type": "auto_ets"},
    {"type": "auto_arima"},
]


def pipeline_in(
    folder: Path, variables: dict[str, Any], origins: int = 3, without: Sequence[str] = ()
) -> Any:
    """The reference pipeline with all models as candidates, except the types in ``without``."""
    from snowpipe_ml import Pipeline

    shutil.copytree(ROOT / "pipelines" / "citibike", folder / "citibike")
    spec = yaml.safe_load((ROOT / "pipelines" / "citibike.yaml").read_text())
    deployed = spec["steps"]["deploy_forecaster"]
    deployed["model"] = {
        "type": "best_of",
        "candidates": [model for model in SINGLE if model["type"] not in without],
    }
    deployed["backtest"] = {"origins": origins, "horizon": 14}
    path = folder / "citibike.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    return Pipeline.from_yaml(path, vars=variables)


def main() -> None:
    """Print the leaderboard of the last origin, and the ratios to check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", default="sample")
    parser.add_argument("--weather", default="sample")
    parser.add_argument("--months", nargs="*", default=[])
    parser.add_argument("--origins", type=int, default=3)
    parser.add_argument("--without", nargs="*", default=[], help="types of models to leave out")
    arguments = parser.parse_args()
    variables: dict[str, Any] = {
        "source": arguments.source,
        "weather": arguments.weather,
        "months": arguments.months,
        "horizon_days": 14,
    }
    if arguments.months:  # with a short history, use short lags and require only a few weeks per station
        variables |= {"lags": [1, 7], "min_history_days": 60}
    with tempfile.TemporaryDirectory() as folder:
        pipeline = pipeline_in(Path(folder), variables, arguments.origins, arguments.without)
        result = pipeline.run()
        if not result.ok:
            sys.exit(
                "\n".join(f"{name}: {step.message}" for name, step in result.steps.items() if step.error)
            )
        for warning in result.steps["leaderboard"].warnings:
            print(warning)
        begin = time.perf_counter()
        session = pipeline.session()
        names = ("RMSE", "MAE", "SMAPE", "MASE", "RMSSE", "BIAS", "PINBALL", "COVERAGE")
        rows = session.sql(
            f"SELECT MODEL, SERIES, {', '.join(names)} FROM LEADERBOARD WHERE FOLD = {arguments.origins - 1} ORDER BY RMSE"
        ).collect()
        covered = session.sql(
            "SELECT MODEL, FOLD, COVERAGE FROM LEADERBOARD WHERE FOLD IS NOT NULL AND COVERAGE IS NOT NULL ORDER BY MODEL, FOLD"
        ).collect()
        session.close()
        seconds = result.steps["train_stations"].seconds
        print(
            f"last of {arguments.origins} origins, {rows[0]['SERIES']} series; training took {seconds:.0f} s"
        )
        print(f"{'model':<18}" + "".join(f"{name:>10}" for name in names))
        for row in rows:
            print(f"{row['MODEL']:<18}" + "".join(f"{row[name]:>10.3f}" for name in names))
        own = next(row for row in rows if row["MODEL"] == "best_of")
        best = min((row for row in rows if row["MODEL"] != "best_of"), key=lambda row: row["RMSE"])
        print(f"best_of / best single ({best['MODEL']}): {own['RMSE'] / best['RMSE']:.3f} (<= 1.05)")
        print(f"coverage of best_of's 80 % intervals: {own['COVERAGE']:.1%} (75 % to 85 %)")
        for model in sorted({row["MODEL"] for row in covered}) if arguments.origins > 3 else ():
            parts = [row["COVERAGE"] for row in covered if row["MODEL"] == model]
            print(
                f"{model:<18} coverage {statistics.fmean(parts):.1%}: "
                + " ".join(f"{part:.2f}" for part in parts)
            )
        print(f"read in {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
