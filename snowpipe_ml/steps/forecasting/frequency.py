"""The frequency of a table.

Features are daily; other data would silently be summed or filled with zeros.
"""

from __future__ import annotations

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import RunContext
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, sql

_DAY = 24.0  # hours
# Below these, a table contains events, or is too short to judge.
_FEWEST_GAPS = 5
_REGULAR_SHARE = 0.8  # of the gaps between a series' rows that must be equal
_ROWS_A_TIME = 1.05  # mean number of rows of a series at one time; more are simultaneous events
_WHOLE_MINUTES = 0.95  # share of times on a whole minute: measurements are, events are not
_NAMES = {
    1.0: "hour",
    24.0 * 7: "week",
    24.0 * 14: "two weeks",
    24.0 * 30: "month",
    24.0 * 91: "quarter",
    24.0 * 365: "year",
}


def check_daily(
    ctx: RunContext,
    name: QualifiedName,
    timestamp: Identifier,
    key: Identifier | None = None,
    *,
    gaps: bool = True,
) -> None:
    """Refuse a table with regular measurements that are more or less frequent than daily.

    A series is regular if four of five gaps between its times are equal; a day may have 23 to 25 hours, and a
    month 28 to 31 days. Events at any time and occasional missing days are accepted.

    Args:
        ctx: the context of the step.
        name: the table.
        timestamp: its column of timestamps or dates.
        key: the column that identifies a series; None for a single series.
        gaps: whether less frequent measurements are refused too; not where missing days have a meaning.

    Raises:
        StepError: the table is hourly, weekly, monthly...
    """
    stamp = sql("CAST({timestamp} AS TIMESTAMP_NTZ)", timestamp=timestamp)
    on_minutes = ctx.scalar(
        sql(
            "SELECT AVG(IFF(SECOND({stamp}) = 0, 1.0, 0.0)) FROM {name} WHERE {timestamp} IS NOT NULL",
            stamp=stamp,
            name=name,
            timestamp=timestamp,
        )
    )
    if on_minutes is not None and float(on_minutes) >= _WHOLE_MINUTES:
        hours = _regular(ctx, name, stamp, timestamp, key, "STEP < 24")
        if hours is not None:
            raise StepError(
                f"{name} has a row every {_period(hours)}, but features are daily: sum or average it by day "
                f"first, in a transform step that groups by CAST({timestamp} AS DATE)"
            )
    if not gaps:
        return
    hours = _regular(
        ctx, name, sql("CAST({timestamp} AS DATE)", timestamp=timestamp), timestamp, key, "STEP > 24"
    )
    if hours is not None:
        raise StepError(
            f"{name} has a row every {_period(hours)}, but features are daily: the days between would be "
            "zero or unknown. Other frequencies are not supported yet; if the days between are really zero, add "
            "rows with zero"
        )


def _regular(
    ctx: RunContext, name: QualifiedName, time: Sql, timestamp: Identifier, key: Identifier | None, odd: str
) -> float | None:
    """Return the hours between two rows if at least half of the series are regular and meet the condition."""
    rows = ctx.execute(
        sql(
            """WITH TIMES AS (
  SELECT {key} AS SERIES, {time} AS AT, COUNT(*) AS N FROM {name} WHERE {timestamp} IS NOT NULL AND {key} IS NOT NULL
  GROUP BY {key}, {time}
), GAPS AS (
  SELECT SERIES, N, DATEDIFF(second, LAG(AT) OVER (PARTITION BY SERIES ORDER BY AT), AT) / 3600.0 AS HOURS FROM TIMES
), STEPS AS (
  SELECT SERIES, CASE WHEN HOURS BETWEEN 23 AND 25 THEN 24 WHEN HOURS BETWEEN 672 AND 744 THEN 720
    WHEN HOURS BETWEEN 2136 AND 2208 THEN 2184 WHEN HOURS BETWEEN 8760 AND 8784 THEN 8760 ELSE HOURS END AS STEP
  FROM GAPS WHERE HOURS IS NOT NULL
), COUNTED AS (
  SELECT SERIES, STEP, COUNT(*) AS N FROM STEPS GROUP BY SERIES, STEP
), JUDGED AS (
  SELECT SERIES, SUM(N) AS GAPS, MAX(N) AS MOST, MAX_BY(STEP, N) AS STEP FROM COUNTED GROUP BY SERIES
)
SELECT COUNT_IF(GAPS >= {fewest}) AS SERIES, COUNT_IF(GAPS >= {fewest} AND MOST >= {share} * GAPS AND {odd}) AS ODD,
  MEDIAN(IFF(GAPS >= {fewest} AND {odd}, STEP, NULL)) AS STEP, (SELECT AVG(N) FROM TIMES) AS ROWS_A_TIME
FROM JUDGED""",
            key=key or Sql("1"),
            time=time,
            name=name,
            timestamp=timestamp,
            fewest=Literal(_FEWEST_GAPS),
            share=Literal(_REGULAR_SHARE),
            odd=Sql(odd),
        )
    )
    series, regular, step, together = rows[0]
    by_hours = odd.startswith("STEP <")
    if not series or 2 * regular < series or (by_hours and float(together) > _ROWS_A_TIME):
        return None
    return float(step)


def _period(hours: float) -> str:
    if hours in _NAMES:
        return _NAMES[hours]
    if hours < 1:
        return f"{hours * 60:g} minutes"
    return f"{hours:g} hours" if hours < _DAY else f"{hours / _DAY:g} days"
