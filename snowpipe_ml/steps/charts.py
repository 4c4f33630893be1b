"""Charts of forecasts for the report."""

from __future__ import annotations

from snowpipe_ml.plugins import Chart, RunContext
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, sql

_SERIES = 4
_DAYS = 90


def forecast_charts(ctx: RunContext, forecasts: QualifiedName, key: Identifier) -> tuple[Chart, ...]:
    """What happened and what was predicted, of the few series with the most in them, on their last days.

    Args:
        ctx: of the step.
        forecasts: the table of a ``train_forecasters`` step.
        key: the column that tells the series apart.
    """
    rows = ctx.execute(
        sql(
            "SELECT {key}, DATE, ACTUAL, PREDICTION, LOW, HIGH FROM {forecasts} "
            "WHERE PART IN ('train', 'validation', 'forecast') AND {key} IN ("
            "SELECT {key} FROM {forecasts} GROUP BY {key} ORDER BY SUM(ACTUAL) DESC NULLS LAST, {key} LIMIT {series}) "
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY DATE DESC) <= {days} ORDER BY {key}, DATE",
            key=key, forecasts=forecasts, series=Literal(_SERIES), days=Literal(_DAYS),
        )
    )  # fmt: skip
    found: dict[str, list[tuple[str, list[float | None]]]] = {}
    for series, day, *values in rows:
        found.setdefault(str(series), []).append((str(day)[:10], [_rounded(value) for value in values]))
    return tuple(
        Chart(
            f"{key} {series}",
            [day for day, _ in points],
            {"actual": [values[0] for _, values in points], "predicted": [values[1] for _, values in points]},
            [values[2] for _, values in points],
            [values[3] for _, values in points],
        )
        for series, points in found.items()
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
