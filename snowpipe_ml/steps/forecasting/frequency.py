"""The frequency of a table, as its rows show it."""

from __future__ import annotations

from dataclasses import dataclass

from snowpipe_ml.errors import StepError
from snowpipe_ml.models.frequencies import DAY, FREQUENCIES, WEEKDAYS, Frequency
from snowpipe_ml.plugins import RunContext
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql, sql
from snowpipe_ml.steps.forecasting.periods import Periods

_DAY = 24.0  # hours
# Below these, a table contains events, or is too short to judge.
_FEWEST_GAPS = 5
_REGULAR_SHARE = 0.8  # of the gaps between a series' rows that must be equal
_ROWS_A_TIME = 1.05  # mean number of rows of a series at one time; more are simultaneous events
_WHOLE_MINUTES = 0.95  # share of times on a whole minute: measurements are, events are not
_WEEK, _MONTH, _QUARTER, _YEAR = 24.0 * 7, 24.0 * 30, 24.0 * 91, 24.0 * 365
_LONG = {_MONTH: "month", _QUARTER: "quarter", _YEAR: "year"}


@dataclass(frozen=True)
class Rhythm:
    """How often the series of a table have a row.

    Attributes:
        hours: the hours from row to row; None if the rows are events at any time.
        weekday: of weekly rows, the weekday that all have, 1 for Monday; None if they differ.
        weekends: whether a row is on a Saturday or Sunday.
    """

    hours: float | None
    weekday: int | None
    weekends: bool

    @property
    def frequency(self) -> Frequency | None:
        """The frequency of the rows: days for events; None if no frequency is like this."""
        if self.hours is None or self.hours == _DAY:
            return DAY if self.weekends or self.hours is None else FREQUENCIES["business_day"]
        if self.hours == _WEEK:
            return None if self.weekday is None else FREQUENCIES[f"week-{WEEKDAYS[self.weekday - 1]}"]
        name = _LONG.get(self.hours)
        if name is None and self.hours <= 1:
            name = "hour" if self.hours == 1 else f"{self.hours * 60:g}min"
        return FREQUENCIES.get(name or "")

    @property
    def told(self) -> str:
        """The distance of two rows, in a message."""
        if self.hours is None:
            return "event"
        if self.hours == _WEEK:
            return "week" if self.weekday else "week, on different weekdays"
        if self.hours in (1.0, _DAY) or self.hours in _LONG:
            return {1.0: "hour", _DAY: "day", **_LONG}[self.hours]
        if self.hours < 1:
            return f"{self.hours * 60:g} minutes"
        return f"{self.hours:g} hours" if self.hours < _DAY else f"{self.hours / _DAY:g} days"


def rhythm_of(
    ask: Asks, name: QualifiedName, timestamp: Identifier, key: Identifier | None, periods: Periods
) -> Rhythm:
    """Return how often the series of a table have a row.

    A series is regular if four of five gaps between its times are equal; a day may have 23 to 25 hours, and a
    month 28 to 31 days. Rows at any time are events. Rows on whole minutes, one at a time, are measurements, and
    can be more frequent than a day.

    Args:
        ask: runs the statements: the context of a step, or a connection.
        name: the table.
        timestamp: its column of timestamps or dates.
        key: the column that identifies a series; None for a single series.
        periods: how times are read.
    """
    stamp = periods.stamp(timestamp)
    days = sql("CAST({stamp} AS DATE)", stamp=stamp)
    row = ask.execute(
        sql(
            "SELECT COUNT(DISTINCT DAYOFWEEKISO({days})) AS WEEKDAYS, MIN(DAYOFWEEKISO({days})) AS WEEKDAY, "
            "COUNT_IF(DAYOFWEEKISO({days}) > 5) AS WEEKENDS, AVG(IFF(SECOND({stamp}) = 0, 1.0, 0.0)) AS ON_MINUTES, "
            "COUNT_IF({stamp} <> CAST({days} AS TIMESTAMP_NTZ)) AS IN_DAYS FROM {name} WHERE {timestamp} IS NOT NULL",
            days=days,
            stamp=stamp,
            name=name,
            timestamp=timestamp,
        )
    )[0]
    hours = None
    # Between dates, or times at midnight, no step is shorter than a day.
    if row[3] is not None and float(row[3]) >= _WHOLE_MINUTES and row[4]:
        hours = _regular(ask, name, stamp, timestamp, key, "STEP < 24")
    if hours is None:
        hours = _regular(ask, name, days, timestamp, key, "STEP >= 24")
    return Rhythm(hours, int(row[1]) if row[0] == 1 else None, bool(row[2]))


def inferred(
    ctx: RunContext, name: QualifiedName, timestamp: Identifier, key: Identifier, periods: Periods
) -> Frequency:
    """Return the frequency of a table: that of its rows, or days if these are events.

    Raises:
        StepError: the rows are regular, and no frequency is like this.
    """
    rhythm = rhythm_of(ctx, name, timestamp, key, periods)
    found = rhythm.frequency
    if found is None:
        raise StepError(
            f"{name} has a row every {rhythm.told}, and no frequency is like this: set `frequency` to the length of "
            "the periods into which its rows are to be summed, such as day or week"
        )
    return found


def check_frequency(
    ctx: RunContext,
    name: QualifiedName,
    timestamp: Identifier,
    periods: Periods,
    key: Identifier | None = None,
    *,
    gaps: bool = True,
) -> None:
    """Refuse a joined table whose rows are more or less frequent than the periods.

    Args:
        ctx: the context of the step.
        name: the table.
        timestamp: its column of timestamps or dates.
        periods: the periods of the features.
        key: its column of series; None if it has one row per period.
        gaps: whether less frequent rows are refused too; not where missing periods have a meaning.

    Raises:
        StepError: it names the table and its frequency.
    """
    rhythm = rhythm_of(ctx, name, timestamp, key, Periods())
    found, every = rhythm.frequency, periods.frequency
    if rhythm.hours is None or found == every:
        return
    daily = every.unit == "day" and every.count == 1
    if daily and rhythm.hours == _DAY:
        return
    if rhythm.hours == _WEEK and every.count == 7 and every.unit == "day":
        problem = "its weeks begin on another weekday"
    elif rhythm.hours > _hours(every):
        if not gaps:
            return
        problem = "the periods between would be unknown"
    else:
        problem = "sum or average it by period first, in a transform step"
    raise StepError(
        f"{name} has a row every {rhythm.told}, but the features have one every {every.noun}: {problem}"
    )


def _hours(frequency: Frequency) -> float:
    return {"minute": 1 / 60, "hour": 1.0, "day": _DAY, "month": _MONTH}[frequency.unit] * frequency.count


def _regular(
    ask: Asks,
    name: QualifiedName,
    time: Sql,
    timestamp: Identifier,
    key: Identifier | None,
    wanted: str,
) -> float | None:
    """Return the hours between two rows if at least half of the series are regular and meet the condition."""
    rows = ask.execute(
        sql(
            """WITH TIMES AS (
  SELECT {key} AS SERIES, {time} AS AT, COUNT(*) AS N FROM {name} WHERE {timestamp} IS NOT NULL AND {key} IS NOT NULL
  GROUP BY {key}, {time}
), GAPS AS (
  SELECT SERIES, N, DATEDIFF(second, LAG(AT) OVER (PARTITION BY SERIES ORDER BY AT), AT) / 3600.0 AS HOURS,
    DAYOFWEEKISO(AT) AS WEEKDAY FROM TIMES
), STEPS AS (
  SELECT SERIES, CASE WHEN HOURS BETWEEN 23 AND 25 OR (HOURS = 72 AND WEEKDAY = 1) THEN 24
    WHEN HOURS BETWEEN 672 AND 744 THEN 720
    WHEN HOURS BETWEEN 2136 AND 2208 THEN 2184 WHEN HOURS BETWEEN 8760 AND 8784 THEN 8760 ELSE HOURS END AS STEP
  FROM GAPS WHERE HOURS IS NOT NULL
), COUNTED AS (
  SELECT SERIES, STEP, COUNT(*) AS N FROM STEPS GROUP BY SERIES, STEP
), JUDGED AS (
  SELECT SERIES, SUM(N) AS GAPS, MAX(N) AS MOST, MAX_BY(STEP, N) AS STEP FROM COUNTED GROUP BY SERIES
)
SELECT COUNT_IF(GAPS >= {fewest}) AS SERIES, COUNT_IF(GAPS >= {fewest} AND MOST >= {share} * GAPS AND {wanted}) AS REGULAR,
  MEDIAN(IFF(GAPS >= {fewest} AND {wanted}, STEP, NULL)) AS STEP, (SELECT AVG(N) FROM TIMES) AS ROWS_A_TIME
FROM JUDGED""",
            key=_or_one(key),
            time=time,
            name=name,
            timestamp=timestamp,
            fewest=Literal(_FEWEST_GAPS),
            share=Literal(_REGULAR_SHARE),
            wanted=Sql(wanted),
        )
    )
    series, regular, step, together = (rows[0][place] for place in range(4))
    by_hours = wanted.startswith("STEP <")
    if not series or 2 * regular < series or (by_hours and float(together) > _ROWS_A_TIME):
        return None
    return float(step)


def _or_one(key: Identifier | None) -> Fragment:
    return Sql("1") if key is None else key
