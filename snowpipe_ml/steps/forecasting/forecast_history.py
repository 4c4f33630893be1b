"""The forecasts of all runs, kept in a table."""

from __future__ import annotations

from snowpipe_ml.plugins import RunContext
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql, sql
from snowpipe_ml.steps.data.publish import append_run
from snowpipe_ml.steps.forecasting.periods import Periods


def history_rows(
    forecasts: QualifiedName, key: Identifier, periods: Periods, run: Fragment, date: Fragment
) -> Sql:
    """Return the query of a run's forecasts, with the number of periods ahead in HORIZON.

    Args:
        forecasts: the table with the forecasts.
        key: the column that identifies a series.
        periods: the periods of the series.
        run: the id of the run.
        date: the run date.
    """
    return sql(
        "SELECT {run} AS RUN_ID, {date} AS RUN_DATE, CURRENT_TIMESTAMP() AS MADE_AT, {key}, DATE, ORIGIN, "
        "{ahead}::NUMBER AS HORIZON, MODEL, PREDICTION, LOW, HIGH FROM {forecasts} WHERE PART = 'forecast'",
        run=run,
        date=date,
        key=key,
        ahead=periods.between(Sql("ORIGIN"), Sql("DATE")),
        forecasts=forecasts,
    )


def planned_history(
    history: QualifiedName, forecasts: QualifiedName, key: Identifier, periods: Periods
) -> Sql:
    """Return the statement that a run would send to keep its forecasts."""
    query = history_rows(forecasts, key, periods, Literal("RUN_ID"), Literal("RUN_DATE"))
    return sql("INSERT INTO {history} {query}", history=history, query=query)


def keep_forecasts(
    ctx: RunContext, history: QualifiedName, forecasts: QualifiedName, key: Identifier, periods: Periods
) -> int:
    """Append the forecasts of this run to a table, once; return their number."""
    run, date = Literal(ctx.run.id), Literal(ctx.run.date)
    return append_run(ctx, history, history_rows(forecasts, key, periods, run, date))
