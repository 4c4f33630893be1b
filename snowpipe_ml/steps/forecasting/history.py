"""The query of every series and period of a ``features`` step, with the target and its past."""

from __future__ import annotations

from snowpipe_ml.models.known_values import least_known
from snowpipe_ml.sql import Literal, Sql, join, sql
from snowpipe_ml.steps.forecasting.feature_settings import FeatureSettings
from snowpipe_ml.steps.forecasting.periods import Periods

# The first and the last period of all events are judged by how late their events begin and how early they end,
# compared with the others: there must be a few others, and a difference that is no accident.
_FEWEST_TO_JUDGE = 5
_PART = 0.1  # of a period
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400, "month": 30 * 86_400}


def calendar_days(settings: FeatureSettings) -> Sql:
    """Return the query of the periods in the ``calendar`` of the settings."""
    assert settings.calendar is not None
    return sql(
        "SELECT DISTINCT {period} AS DATE FROM {calendar}",
        period=Periods(settings.every).of(Sql("DATE")),
        calendar=settings.calendar,
    )


def in_a_period(settings: FeatureSettings) -> Sql:
    """Return the condition that an event has a series and a period: on business days, no weekend."""
    found = sql(
        "{key} IS NOT NULL AND {timestamp} IS NOT NULL",
        key=settings.partition_by,
        timestamp=settings.timestamp,
    )
    if settings.periods.weekends:
        return found
    day = settings.periods.of(settings.timestamp)
    return sql("{found} AND DAYOFWEEKISO({day}) <= 5", found=found, day=day)


def events_query(settings: FeatureSettings) -> Sql:
    """Return common table expressions that end with DAILY: each series and period with events, and the target.

    Without a calendar, a first or last period that the events do not cover as they do the others is no part of it:
    their first and last times within the period show it. EDGES has these, in seconds.
    """
    s, periods = settings, settings.periods
    period = periods.of(s.timestamp)
    sums = sql(
        "SELECT {key}, {period} AS DATE, {values}\n  FROM {events} WHERE {condition} GROUP BY {key}, {period}",
        key=s.partition_by,
        period=period,
        values=join(
            ", ",
            [sql("{value} AS {target}", value=one.aggregated(), target=one.name) for one in s.all_targets],
        ),
        events=s.source,
        condition=in_a_period(s),
    )
    if not judges_edges(settings):
        return sql("DAILY AS (\n  {sums}\n)", sums=sums)
    margin = Literal(round(_PART * _SECONDS[s.every.unit] * s.every.count))
    return sql(
        """{edges}, WHOLE AS (
  SELECT MIN(DATE) AS FIRST_DAY, MAX(DATE) AS LAST_DAY FROM EDGES WHERE NOT PARTIAL
), DAILY AS (
  SELECT E.* FROM (
  {sums}
  ) E JOIN WHOLE W ON E.DATE BETWEEN W.FIRST_DAY AND W.LAST_DAY
)""",
        edges=edges_query(settings, margin),
        sums=sums,
    )


def judges_edges(settings: FeatureSettings) -> bool:
    """Return whether a first or last period may be no part of the history because it is not whole."""
    return settings.calendar is None and settings.partial == "drop"


def edges_query(settings: FeatureSettings, margin: Literal | None = None) -> Sql:
    """Return the common table expression EDGES: all periods, and whether each is a first or last one in part."""
    s, periods = settings, settings.periods
    every = _SECONDS[s.every.unit] * s.every.count
    period, stamp = periods.of(s.timestamp), periods.stamp(s.timestamp)
    return sql(
        """EDGES AS (
  SELECT DATE, COALESCE(N >= {fewest} AND (
      (PLACE = 1 AND LATE > {margin} + MAX(LATE) OVER (ORDER BY DATE DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
      OR (PLACE = N AND EARLY > {margin} + MAX(EARLY) OVER (ORDER BY DATE ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
    ), FALSE) AS PARTIAL
  FROM (
    SELECT DATE, DATEDIFF(second, DATE, FIRST_TIME) AS LATE, DATEDIFF(second, LAST_TIME, {next}) AS EARLY,
      ROW_NUMBER() OVER (ORDER BY DATE) AS PLACE, COUNT(*) OVER () AS N
    FROM (
      SELECT {period} AS DATE, MIN({stamp}) AS FIRST_TIME, MAX({stamp}) AS LAST_TIME
      FROM {events} WHERE {condition} GROUP BY {period}
    )
  )
)""",
        fewest=Literal(_FEWEST_TO_JUDGE),
        margin=margin or Literal(round(_PART * every)),
        next=periods.plus(Sql("DATE"), Literal(1)),
        period=period,
        stamp=stamp,
        events=s.source,
        condition=in_a_period(s),
    )


def history_query(settings: FeatureSettings, short: str) -> Sql:
    """Return the common table expressions that end with LAGGED and JUDGED.

    LAGGED has every series and period with the target, NULL where it is unknown, and the features of the past.
    JUDGED has every series with the reason why it is excluded, or NULL.

    Args:
        settings: the settings of the step.
        short: the reason for a series with too little history.
    """
    s, periods = settings, settings.periods
    occurs = periods.occurs(Sql("DATE"))
    covered = (
        calendar_days(settings)
        if s.calendar is not None
        else sql(
            "SELECT DATE FROM (SELECT {date} AS DATE, (SELECT MAX(DATE) FROM DAILY) AS LAST FROM SPINE) WHERE DATE <= LAST{occurs}",
            date=periods.plus(Sql("(SELECT MIN(DATE) FROM DAILY)"), Sql("N")),
            occurs=Sql("") if occurs is None else sql(" AND {occurs}", occurs=occurs),
        )
    )
    past = join(
        "",
        [
            sql(", {value} AS {name}", value=feature.sql(s.partition_by), name=feature.column)
            for feature in s.past()
        ],
    )
    # The lags of the first periods would look back beyond the history: these do not count as known.
    reach = max(
        (one.days if one.kind == "lag" else least_known(one.kind, one.days) for one in s.past()), default=0
    )
    from_there = Sql("")
    if reach:
        from_there = sql(" AND G.DATE >= {start}", start=periods.plus(Sql("B.FIRST_DAY"), Literal(reach)))
    counts = [
        sql("COUNT_IF(G.{target} IS NOT NULL{from_there})", target=one.name, from_there=from_there)
        for one in s.all_targets
    ]
    enough = Sql("")
    ended = sql(
        "WHEN {idle_for} > {idle} THEN 'no recent event'",
        idle_for=periods.between(Sql("LAST_EVENT"), Sql("LAST_DAY")),
        idle=Literal(s.idle),
    )
    if s.hierarchy:  # a part of a total cannot be taken out of it
        ended = Sql("WHEN FALSE THEN ''")
    if s.min_history is not None:
        enough = sql(
            "\n         WHEN HISTORY_DAYS < {enough} THEN {short}",
            enough=Literal(s.min_history),
            short=Literal(short),
        )
    return sql(
        """WITH SPINE AS (
  SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS N FROM TABLE(GENERATOR(ROWCOUNT => {spine}))
), {events}, COVERED AS (
  {covered}
), BOUNDS AS (
  SELECT {key}, MIN(DATE) AS FIRST_DAY, MAX(DATE) AS LAST_EVENT FROM DAILY GROUP BY {key}
), LAST_DAY AS (
  SELECT MAX(DATE) AS LAST_DAY FROM COVERED
), COMPLETE AS (
  SELECT B.{key}, {date} AS DATE
  FROM BOUNDS B CROSS JOIN LAST_DAY L JOIN SPINE S ON S.N <= {length}
), KNOWN AS (
  SELECT C.{key}, C.DATE, {known}
  FROM COMPLETE C LEFT JOIN COVERED V ON V.DATE = C.DATE
  LEFT JOIN DAILY D ON D.{key} = C.{key} AND D.DATE = C.DATE
), LAGGED AS (
  SELECT {key}, DATE, {targets}{past} FROM KNOWN
), HISTORY AS (
  SELECT B.{key}, B.LAST_EVENT, L.LAST_DAY, {counted} AS HISTORY_DAYS
  FROM BOUNDS B CROSS JOIN LAST_DAY L LEFT JOIN LAGGED G ON G.{key} = B.{key}
  GROUP BY B.{key}, B.LAST_EVENT, L.LAST_DAY
), JUDGED AS (
  SELECT {key}, LAST_EVENT, HISTORY_DAYS,
    CASE {ended}{enough} END AS REASON
  FROM HISTORY
)""",
        spine=Literal(periods.spine),
        events=events_query(settings),
        covered=covered,
        key=s.partition_by,
        date=periods.plus(Sql("B.FIRST_DAY"), Sql("S.N")),
        length=periods.between(Sql("B.FIRST_DAY"), Sql("L.LAST_DAY")),
        known=join(", ", [one.known() for one in s.all_targets]),
        targets=join(", ", [one.name for one in s.all_targets]),
        past=past,
        counted=counts[0] if len(counts) == 1 else sql("GREATEST({counts})", counts=join(", ", counts)),
        ended=ended,
        enough=enough,
    )
