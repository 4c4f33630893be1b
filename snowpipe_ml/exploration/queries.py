"""The queries of an exploration: the warehouse aggregates, and only rows per period reach the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from snowpipe_ml.exploration.question import Covariate, Question
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.sql import Literal, Sql, sql
from snowpipe_ml.steps.forecasting.history import calendar_days, events_query
from snowpipe_ml.steps.forecasting.periods import Periods

TOP = 20
"""The number of series that are listed, the largest first."""


@dataclass(frozen=True)
class Overview:
    """The rows of the table.

    Attributes:
        rows: the number of rows.
        without_series: the rows whose series is NULL.
        without_time: the rows whose time is NULL.
        without_value: the rows whose value is NULL.
        negative: the rows whose value is negative.
        series: the number of series.
        first: the earliest time.
        last: the latest time.
    """

    rows: int
    without_series: int
    without_time: int
    without_value: int
    negative: int
    series: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True)
class SeriesFacts:
    """The facts about one series.

    Attributes:
        key: its key.
        total: the sum of its values.
        first: its first period with rows.
        last: its last period with rows.
        periods: the periods with rows.
        length: the periods from its first to the last of the table.
        longest_gap: the most consecutive periods without rows between two with rows.
    """

    key: str
    total: float
    first: str
    last: str
    periods: int
    length: int
    longest_gap: int

    @property
    def empty(self) -> float:
        """The fraction of its periods that have no rows."""
        return 1 - self.periods / self.length if self.length else 0.0


@dataclass(frozen=True)
class SeriesSummary:
    """All series, summarized.

    Attributes:
        count: the number of series.
        length: the median number of periods from a series' first to the last of the table.
        empty: the median fraction of periods without rows.
        ended: the series without rows in the last periods (`Frequency.idle`).
        late: the series that begin in the second half of the time.
        with_gaps: the series with at least one period without rows between two with rows.
    """

    count: int
    length: float
    empty: float
    ended: int
    late: int
    with_gaps: int


def overview(ask: Asks, question: Question) -> Overview:
    """Count the rows of the table."""
    q = question
    stamp = q.periods.stamp(q.time)
    value = Sql("0") if q.value is None else sql("COUNT_IF({value} IS NULL)", value=q.value)
    negative = Sql("0")
    if q.value is not None and q.settings.how not in ("count", "distinct"):
        negative = sql("COUNT_IF({value} < 0)", value=q.value)
    row = ask.execute(
        sql(
            "SELECT COUNT(*), COUNT_IF({key} IS NULL), COUNT_IF({time} IS NULL), {value}, {negative}, "
            "COUNT(DISTINCT {key}), MIN({stamp}), MAX({stamp}) FROM {table}",
            key=q.series,
            time=q.time,
            value=value,
            negative=negative,
            stamp=stamp,
            table=q.table,
        )
    )[0]
    return Overview(
        rows=int(row[0]),
        without_series=int(row[1]),
        without_time=int(row[2]),
        without_value=int(row[3]),
        negative=int(row[4]),
        series=int(row[5]),
        first=row[6],
        last=row[7],
    )


def by_period(ask: Asks, question: Question) -> list[tuple[Any, int, float | None]]:
    """Return the time, the number of series with rows and the total (or mean) of each period with rows."""
    q = question
    rows = ask.execute(
        sql(
            "WITH {daily}\nSELECT DATE, COUNT(*) AS SERIES, {whole} AS {target} FROM DAILY GROUP BY DATE ORDER BY DATE",
            daily=events_query(q.settings),
            whole=sql("SUM({target})" if q.adds_up else "AVG({target})", target=q.target),
            target=q.target,
        )
    )
    return [(row[0], int(row[1]), _float(row[2])) for row in rows]


def _by_series(question: Question) -> Sql:
    """Return the common table expressions that end with BY_SERIES: a row of facts per series."""
    q = question
    return sql(
        """WITH {daily}, GAPS AS (
  SELECT {key}, DATE, {target},
    {between} - 1 AS GAP FROM (
      SELECT {key}, DATE, {target}, LAG(DATE) OVER (PARTITION BY {key} ORDER BY DATE) AS BEFORE FROM DAILY
    )
), WHOLE_TABLE AS (
  SELECT MIN(DATE) AS FIRST_DAY, MAX(DATE) AS LAST_DAY FROM DAILY
), BY_SERIES AS (
  SELECT G.{key}, SUM(G.{target}) AS TOTAL, MIN(G.DATE) AS FIRST_DATE, MAX(G.DATE) AS LAST_DATE, COUNT(*) AS N,
    MAX({length}) + 1 AS LENGTH, COALESCE(MAX(G.GAP), 0) AS LONGEST_GAP, MAX({age}) + 1 AS AGE
  FROM GAPS G CROSS JOIN WHOLE_TABLE W GROUP BY G.{key}
)""",
        daily=events_query(q.settings),
        key=q.series,
        target=q.target,
        between=q.periods.between(Sql("BEFORE"), Sql("DATE")),
        length=q.periods.between(Sql("G.DATE"), Sql("W.LAST_DAY")),
        age=q.periods.between(Sql("W.FIRST_DAY"), Sql("W.LAST_DAY")),
    )


def top_series(ask: Asks, question: Question, most: int = TOP) -> list[SeriesFacts]:
    """Return the facts about the series with the largest totals."""
    rows = ask.execute(
        sql(
            "{facts}\nSELECT {key}, TOTAL, FIRST_DATE, LAST_DATE, N, LENGTH, LONGEST_GAP FROM BY_SERIES "
            "ORDER BY TOTAL DESC NULLS LAST, {key} LIMIT {most}",
            facts=_by_series(question),
            key=question.series,
            most=Literal(most),
        )
    )
    return [
        SeriesFacts(
            str(row[0]),
            _float(row[1]) or 0.0,
            time_text(row[2]),
            time_text(row[3]),
            *(int(n) for n in row[4:7]),
        )
        for row in rows
    ]


def summary(ask: Asks, question: Question) -> SeriesSummary:
    """Summarize all series."""
    q = question
    row = ask.execute(
        sql(
            "{facts}\nSELECT COUNT(*), MEDIAN(LENGTH), MEDIAN(1 - N / LENGTH), COUNT_IF({idle_for} > {idle}), "
            "COUNT_IF(LENGTH * 2 < AGE), COUNT_IF(LONGEST_GAP > 0) FROM BY_SERIES CROSS JOIN WHOLE_TABLE W",
            facts=_by_series(q),
            idle_for=q.periods.between(Sql("LAST_DATE"), Sql("W.LAST_DAY")),
            idle=Literal(q.every.idle),
        )
    )[0]
    return SeriesSummary(
        int(row[0]), _float(row[1]) or 0.0, _float(row[2]) or 0.0, int(row[3]), int(row[4]), int(row[5])
    )


def values_of(
    ask: Asks, question: Question, keys: Sequence[str]
) -> dict[str, list[tuple[Any, float | None]]]:
    """Return the time and the value of each period with rows of some series."""
    q = question
    rows = ask.execute(
        sql(
            "WITH {daily}\nSELECT {key}, DATE, {target} FROM DAILY WHERE {key}::VARCHAR IN {keys} ORDER BY {key}, DATE",
            daily=events_query(q.settings),
            key=q.series,
            target=q.target,
            keys=Literal(list(keys)),
        )
    )
    found: dict[str, list[tuple[Any, float | None]]] = {key: [] for key in keys}
    for row in rows:
        found[str(row[0])].append((row[1], _float(row[2])))
    return found


def by_hour(ask: Asks, question: Question) -> list[tuple[int, int, float]]:
    """Return (weekday from 1 for Monday, hour, value) over all rows, on the clock of the time zone."""
    q = question
    stamp = Periods(timezone=q.timezone, stored=q.stored_timezone).stamp(q.time)
    rows = ask.execute(
        sql(
            "SELECT DAYOFWEEKISO(AT) AS WEEKDAY, HOUR(AT) AS HOUR, {value} AS N "
            "FROM (SELECT {columns}, {stamp} AS AT FROM {table} WHERE {time} IS NOT NULL AND {key} IS NOT NULL) "
            "GROUP BY 1, 2 ORDER BY 1, 2",
            value=q.settings.all_targets[0].aggregated(),
            columns=q.series if q.value is None else sql("{a}, {b}", a=q.series, b=q.value),
            stamp=stamp,
            table=q.table,
            time=q.time,
            key=q.series,
        )
    )
    return [(int(row[0]), int(row[1]), _float(row[2]) or 0.0) for row in rows]


def covariate(ask: Asks, question: Question, other: Covariate) -> list[tuple[Any, float | None]]:
    """Return the mean of a column of another table by period."""
    periods = Periods(question.every)
    rows = ask.execute(
        sql(
            "SELECT {period} AS DATE, AVG({column}::FLOAT) AS X FROM {table} WHERE {on} IS NOT NULL GROUP BY 1 ORDER BY 1",
            period=periods.of(other.on),
            column=other.column,
            table=other.table,
            on=other.on,
        )
    )
    return [(row[0], _float(row[1])) for row in rows]


def covered(ask: Asks, question: Question) -> list[Any] | None:
    """Return the periods in the calendar; None if there is none, and all periods are covered."""
    if question.calendar is None:
        return None
    rows = ask.execute(sql("{days} ORDER BY DATE", days=calendar_days(question.settings)))
    return [row[0] for row in rows]


def time_text(time: date | datetime) -> str:
    """Return the beginning of a period as text, without a time of day that is midnight."""
    return str(time).removesuffix(" 00:00:00").removesuffix(":00")


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
