"""Charts of forecasts for the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snowpipe_ml.plugins import Chart, RunContext
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, sql

if TYPE_CHECKING:
    from snowflake.snowpark import Row

_SERIES = 4
_DAYS = 90


def forecast_rows(
    ctx: RunContext, forecasts: QualifiedName, key: Identifier, series: Sequence[str] = (), days: int = _DAYS
) -> list[Row]:
    """Series, day, actual, prediction, low and high of the last days, in order.

    Args:
        ctx: of the step.
        forecasts: the table of a ``train_forecasters`` or ``forecast`` step.
        key: the column that tells the series apart.
        series: which; the few with the most in them if none is named.
        days: how many of each.
    """
    chosen: Sql
    if series:
        chosen = sql("{listed}", listed=Literal(list(series)))
    else:
        chosen = sql(
            "(SELECT {key} FROM {forecasts} GROUP BY {key} ORDER BY SUM(ACTUAL) DESC NULLS LAST, {key} LIMIT {most})",
            key=key, forecasts=forecasts, most=Literal(_SERIES),
        )  # fmt: skip
    return ctx.execute(
        sql(
            "SELECT {key}, DATE, ACTUAL, PREDICTION, LOW, HIGH FROM {forecasts} "
            "WHERE PART IN ('train', 'validation', 'forecast') AND {key} IN {chosen} "
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY DATE DESC) <= {days} ORDER BY {key}, DATE",
            key=key, forecasts=forecasts, chosen=chosen, days=Literal(days),
        )
    )  # fmt: skip


def forecast_charts(ctx: RunContext, forecasts: QualifiedName, key: Identifier) -> tuple[Chart, ...]:
    """What happened and what was predicted, of the few series with the most in them, on their last days.

    Args:
        ctx: of the step.
        forecasts: the table of a ``train_forecasters`` or ``forecast`` step.
        key: the column that tells the series apart.
    """
    found: dict[str, list[tuple[str, list[float | None]]]] = {}
    for series, day, *values in forecast_rows(ctx, forecasts, key):
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
