"""A notebook that explores the series of a spec before any model: the raw table, the features, and a first model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import cast

import yaml

from snowpipe_ml.errors import UsageError

NAME = "explore.ipynb"

_Settings = Mapping[str, object]


def notebook_of(spec: str, text: str) -> bytes:
    """Write the notebook of a spec that forecasts, in the format 4.5 of Jupyter.

    Args:
        spec: the file name of the spec, which lies beside the notebook.
        text: its text.

    Raises:
        UsageError: the spec has no steps ``features`` and ``future_features``.
    """
    steps = cast("Mapping[str, _Settings]", yaml.safe_load(text).get("steps") or {})
    features = next((step for step in steps.values() if step.get("type") == "features"), None)
    future = next((name for name, step in steps.items() if step.get("type") == "future_features"), None)
    if features is None or future is None:
        raise UsageError(f"{spec} forecasts nothing, so there is nothing for a notebook to explore")
    cells = [_cell(kind, source) for kind, source in _cells(spec, features, future)]
    document = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _cell(kind: str, source: str) -> dict[str, object]:
    # Ids are required, and equal for equal cells, so that writing the notebook again changes nothing.
    cell: dict[str, object] = {
        "cell_type": kind,
        "id": hashlib.sha256(source.encode()).hexdigest()[:8],
        "metadata": {},
        "source": source.strip().splitlines(keepends=True),
    }
    return cell | {"execution_count": None, "outputs": []} if kind == "code" else cell


def _cells(spec: str, features: _Settings, future: str) -> list[tuple[str, str]]:
    key, target = str(features["partition_by"]).upper(), str(features["target"]).upper()
    value = f", value={features['value']!r}" if "value" in features else ""
    return [
        (
            "markdown",
            f"# Explore the series of `{spec}`\n\nThe warehouse aggregates: only small results reach this notebook. "
            "It needs the extras `local`, `forecast`, `explore` and `plots`.",
        ),
        (
            "code",
            f"""
import altair as alt
import pandas as pd
from snowflake.snowpark import functions as F

from snowpipe_ml import Pipeline, explore, try_model

pd.set_option("display.max_colwidth", None)
pipeline = Pipeline.from_yaml({spec!r})
""",
        ),
        ("markdown", "## The tables\n\nRun the steps up to the features; what has not changed is skipped."),
        (
            "code",
            f"""
result = pipeline.run(select=["+{future}"])
outcomes = {{name: (step.status.value, step.message) for name, step in result.steps.items()}}
pd.DataFrame.from_dict(outcomes, orient="index", columns=["status", "message"])
""",
        ),
        (
            "code",
            f"""
session = pipeline.session()
features = pipeline.frame({features["writes"]!r}, session=session)
features.sort("{key}", "DATE").limit(5).to_pandas()
""",
        ),
        ("markdown", "## The series"),
        (
            "code",
            f"""
per_series = (
    features.group_by("{key}")
    .agg(
        F.count(F.col("DATE")).alias("PERIODS"),
        F.min("DATE").alias("FIRST"),
        F.max("DATE").alias("LAST"),
        F.avg("{target}").alias("MEAN"),
        F.stddev("{target}").alias("STDDEV"),
    )
    .sort(F.col("MEAN").desc(), F.col("{key}"))
    .to_pandas()
)
per_series.head(10)
""",
        ),
        (
            "code",
            f"""
total = features.group_by("DATE").agg(F.sum("{target}").alias("TOTAL")).sort("DATE").to_pandas()
total["DATE"] = pd.to_datetime(total["DATE"])
alt.Chart(total).mark_line().encode(x="DATE:T", y="TOTAL:Q").properties(width=700, height=200)
""",
        ),
        (
            "markdown",
            "## Seasons, trend and stationarity\n\n`explore` looks at the table that the features are made from, and "
            "suggests settings with its reasons.",
        ),
        (
            "code",
            f"""
found = explore(
    pipeline, {features["from"]!r}, series={key!r}, time={features["timestamp"]!r}{value}, session=session
)
pd.Series(dict(found.suggestion.why), name="reason").to_frame()
""",
        ),
        (
            "code",
            """
days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][: len(found.profiles.weekday)]
weekday = pd.DataFrame({"weekday": days, "share of the mean": found.profiles.weekday})
alt.Chart(weekday).mark_bar().encode(x=alt.X("weekday:N", sort=None), y="share of the mean:Q")
""",
        ),
        ("code", "found.stationarity"),
        ("code", "print(found.suggestion.yaml)"),
        (
            "markdown",
            "## A first model\n\nARIMA on the largest series, backtested on its last periods. No table is written.",
        ),
        (
            "code",
            f"""
largest = str(per_series["{key}"].iloc[0])
trial = try_model(pipeline, [largest], "auto_arima")
trial.errors()
""",
        ),
        (
            "code",
            f"""
history = features.filter(F.col("{key}").cast("string") == largest).sort("DATE").to_pandas().tail(90)
history["DATE"] = pd.to_datetime(history["DATE"])
forecast = trial.rows[(trial.rows["SERIES"] == largest) & (trial.rows["PART"] == "forecast")].copy()
forecast["DATE"] = pd.to_datetime(forecast["DATE"])
known = alt.Chart(history).mark_line().encode(x="DATE:T", y="{target}:Q")
line = alt.Chart(forecast).mark_line(color="orange").encode(x="DATE:T", y="PREDICTION:Q")
band = alt.Chart(forecast).mark_area(color="orange", opacity=0.2).encode(x="DATE:T", y="LOW:Q", y2="HIGH:Q")
(known + band + line).properties(width=700, height=250, title=largest)
""",
        ),
        (
            "markdown",
            "Compare it with the baselines and with other models; `snowpipe-ml steps deploy_forecaster` lists them all.",
        ),
        (
            "code",
            """
others = [try_model(pipeline, [largest], model).errors() for model in ("auto_ets", "dynamic_theta")]
errors = pd.concat([trial.errors(), *others])
errors.groupby("MODEL")[["MAE", "RMSE"]].mean().sort_values("MAE")
""",
        ),
        (
            "markdown",
            f"Write the model of your choice into `deploy_forecaster` of `{spec}`, and run the whole pipeline: "
            f"`snowpipe-ml run {spec}`.",
        ),
        ("code", "session.close()"),
    ]
