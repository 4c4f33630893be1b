"""Charts of forecasts for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snowpipe_ml.plugins import Chart, RunContext
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, sql

if TYPE_CHECKING:
    from snowflake.snowpark import Row

_SERIES = 4
_CANCELED = 604  # the error of a canceled statement
_DAYS = 90


@dataclass(frozen=True)
class Forecasts:
    """Forecasts and the history before them.

    Attributes:
        table: the table of a ``train_forecasters`` or ``forecast`` step.
        key: the column that identifies a series.
        history: the history, if the table does not contain it: a table of features, and its target.
        value: the forecast value in words, such as ``COUNT``.
        noun: a period in words, such as ``day``.
    """

    table: QualifiedName
    key: Identifier
    history: tuple[QualifiedName, Identifier] | None = None
    value: str = "value"
    noun: str = "period"

    @property
    def ahead(self) -> str:
        """The name of the predictions of the history, each from the period before."""
        return f"predicted one {self.noun} ahead"

    def query(self, series: Sequence[str], days: int) -> Sql:
        """Return a query of series, date, actual, prediction, low, high and part for the last periods, in order.

        Args:
            series: the series to include; by default the few with the largest totals.
            days: the number of rows per series.
        """
        past: Sql = Sql("")
        if self.history is not None:
            table, target = self.history
            nothing = Sql("NULL::FLOAT")
            past = sql(
                " UNION ALL SELECT {key}::VARCHAR, DATE, {target}::FLOAT, {nothing}, {nothing}, {nothing}, 'train' FROM {table}",
                key=self.key,
                target=target,
                nothing=nothing,
                table=table,
            )
        # Snowflake documents LIMIT in a subquery only for one that returns a single value, so the series are numbered.
        # https://docs.snowflake.com/en/user-guide/querying-subqueries
        by_total = sql(
            'SELECT {key} FROM "_DAYS" GROUP BY {key} '
            "QUALIFY ROW_NUMBER() OVER (ORDER BY SUM(ACTUAL) DESC NULLS LAST, {key}) <= {most}",
            key=self.key,
            most=Literal(_SERIES),
        )
        chosen = sql("{listed}", listed=Literal(list(series))) if series else sql("({query})", query=by_total)
        return sql(
            'WITH "_DAYS" AS (SELECT {key}, DATE, ACTUAL, PREDICTION, LOW, HIGH, PART FROM {table} '
            "WHERE PART IN ('train', 'validation', 'forecast'){past})\n"
            'SELECT {key}, DATE, ACTUAL, PREDICTION, LOW, HIGH, PART FROM "_DAYS" WHERE {key} IN {chosen} '
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY DATE DESC) <= {days} ORDER BY {key}, DATE",
            key=self.key,
            table=self.table,
            past=past,
            chosen=chosen,
            days=Literal(days),
        )

    def rows(self, ctx: RunContext, series: Sequence[str] = (), days: int = _DAYS) -> list[Row]:
        """Return the rows of :meth:`query`."""
        return ctx.execute(self.query(series, days))


def forecast_charts(ctx: RunContext, forecasts: Forecasts) -> tuple[tuple[Chart, ...], tuple[str, ...]]:
    """Return charts of actual and predicted values over the last periods of the few largest series.

    The forecasts are published already, so that charts that cannot be queried are a warning.

    Args:
        ctx: the context of the step.
        forecasts: the forecasts to draw.

    Returns:
        The charts, and the warnings.
    """
    # Imported late: a spec is loaded without Snowpark.
    from snowflake.snowpark.exceptions import SnowparkSQLException

    try:
        rows = forecasts.rows(ctx)
    except SnowparkSQLException as error:
        if error.sql_error_code == _CANCELED:
            raise
        return (), (f"the report has no charts of {forecasts.table}: {error.raw_message or error}",)
    found: dict[str, list[tuple[str, list[float | None]]]] = {}
    for series, day, actual, prediction, low, high, part in rows:
        ahead, forecast = (None, prediction) if part == "forecast" else (prediction, None)
        values = [_rounded(value) for value in (actual, ahead, forecast, low, high)]
        found.setdefault(str(series), []).append((str(day).removesuffix(" 00:00:00"), values))
    charts = tuple(
        Chart(
            f"{forecasts.key} {series}",
            [day for day, _ in points],
            {
                name: [values[place] for _, values in points]
                for place, name in enumerate(("actual", forecasts.ahead, "forecast"))
            },
            [values[3] for _, values in points],
            [values[4] for _, values in points],
            forecasts.noun,
            f"{forecasts.value} per {forecasts.noun}",
        )
        for series, points in found.items()
    )
    return charts, ()


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
