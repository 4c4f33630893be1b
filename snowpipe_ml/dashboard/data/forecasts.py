"""The queries of the page Forecast: the series, their forecasts, one series with its history, and its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from snowpipe_ml.dashboard.data.attributes import Attributes
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.sql import Fragment, Identifier, Literal, Sql, join, sql
from snowpipe_ml.steps.data.dimension import NAME
from snowpipe_ml.steps.forecasting.panels import explanation_column

ORDERS: Mapping[str, Sql] = {
    "largest forecast": Sql("TOTAL DESC NULLS LAST, SERIES"),
    "smallest forecast": Sql("TOTAL NULLS LAST, SERIES"),
    "largest rise": Sql("CHANGE DESC NULLS LAST, SERIES"),
    "largest fall": Sql("CHANGE NULLS LAST, SERIES"),
    "widest interval": Sql("WIDTH DESC NULLS LAST, SERIES"),
    "name": Sql("LABEL, SERIES"),
}
"""The orders of the series, by the words for them."""

MOST_SERIES = 500
"""The most series of a heat map."""


@dataclass(frozen=True)
class Filter:
    """Which series to show.

    Attributes:
        search: a part of the key or the name, in any case.
        values: the chosen values of attributes, by the name of the column.
        level: the number of a level of the hierarchy, 0 for the total; None for all.
        under: the key of a node of the hierarchy, to show it and what is below it.
        order: a key of :data:`ORDERS`.
        most: the most series.
    """

    search: str = ""
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    level: int | None = None
    under: str | None = None
    order: str = "largest forecast"
    most: int = MOST_SERIES


@dataclass(frozen=True)
class ForecastQueries:
    """The queries on a subject's forecasts.

    Attributes:
        subject: the forecasts.
        attributes: the attributes of their series; None if there are none.
    """

    subject: Subject
    attributes: Attributes | None = None

    def series(self, wanted: Filter) -> Sql:
        """Return the query of the series: SERIES, LABEL, TOTAL, MEAN, PERIODS, RECENT, CHANGE, WIDTH, MODEL, attributes.

        RECENT is the mean of as many known values at the end of the history as there are forecasts, and CHANGE
        the difference of the mean forecast to it, in percent.
        """
        a = self.attributes
        shown = join("", [sql(", D.{name} AS {name}", name=name) for name in (a.shown if a else ())])
        return sql(
            """WITH F AS (
  SELECT {key}::VARCHAR AS SERIES, SUM(PREDICTION) AS TOTAL, AVG(PREDICTION) AS MEAN, COUNT(*) AS PERIODS,
    AVG(HIGH - LOW) AS WIDTH, MAX(MODEL) AS MODEL, MAX(MESSAGE) AS MESSAGE
  FROM {forecasts} WHERE PART = 'forecast' GROUP BY {key}
), RECENT AS (
  SELECT SERIES, AVG(ACTUAL) AS RECENT FROM (
    SELECT F.SERIES, P.ACTUAL, F.PERIODS FROM ({past}) P JOIN F ON F.SERIES = P.SERIES WHERE P.ACTUAL IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (PARTITION BY F.SERIES ORDER BY P.DATE DESC) <= F.PERIODS
  ) GROUP BY SERIES
), FOUND AS (
  SELECT F.SERIES, {label} AS LABEL, F.TOTAL, F.MEAN, F.PERIODS, R.RECENT,
    100 * (F.MEAN - R.RECENT) / NULLIF(ABS(R.RECENT), 0) AS CHANGE, F.WIDTH, F.MODEL, F.MESSAGE{shown}
  FROM F LEFT JOIN RECENT R ON R.SERIES = F.SERIES
  {attributes}
)
SELECT * FROM FOUND{where} ORDER BY {order} LIMIT {most}""",
            key=self.subject.key,
            forecasts=self.subject.table,
            past=self._past(),
            label=self._label(Sql("F.SERIES")),
            shown=shown,
            attributes=self._joined(Sql("F.SERIES")),
            where=self._where(wanted),
            order=ORDERS[wanted.order],
            most=Literal(wanted.most),
        )

    def values(self, column: Identifier) -> Sql:
        """Return the query of the values of an attribute, and how many series have each."""
        assert self.attributes is not None
        return sql(
            "SELECT {column}::VARCHAR AS VALUE, COUNT(*) AS SERIES FROM {table} WHERE {column} IS NOT NULL "
            "GROUP BY {column} ORDER BY SERIES DESC, VALUE LIMIT 200",
            column=column,
            table=self.attributes.table,
        )

    def cells(self, series: Sequence[str]) -> Sql:
        """Return the query of the forecasts of some series: SERIES, DATE, PREDICTION, LOW, HIGH."""
        return sql(
            "SELECT {key}::VARCHAR AS SERIES, DATE, PREDICTION, LOW, HIGH FROM {forecasts} "
            "WHERE PART = 'forecast' AND {key}::VARCHAR IN {series} ORDER BY SERIES, DATE",
            key=self.subject.key,
            forecasts=self.subject.table,
            series=Literal(list(series)),
        )

    def one(self, series: str, periods: int | None) -> Sql:
        """Return the query of one series: DATE, PART, ACTUAL, PREDICTION, LOW, HIGH, MODEL, in order.

        Args:
            series: its key.
            periods: the number of the last known periods; all if None.
        """
        chosen = sql("{key}::VARCHAR = {series}", key=self.subject.key, series=Literal(series))
        last = Sql("")
        if periods is not None:
            last = sql(
                "\nQUALIFY PART = 'forecast' OR ROW_NUMBER() OVER (PARTITION BY IFF(PART = 'forecast', 1, 0) "
                "ORDER BY DATE DESC) <= {periods}",
                periods=Literal(periods),
            )
        past = sql(
            "SELECT DATE, PART, ACTUAL, PREDICTION, LOW, HIGH, MODEL FROM {forecasts} "
            "WHERE PART IN ('train', 'validation', 'forecast') AND {chosen}",
            forecasts=self.subject.table,
            chosen=chosen,
        )
        if self.subject.history is not None:
            name, target = self.subject.history
            past = sql(
                "{past}\nUNION ALL SELECT DATE, 'train', {target}::FLOAT, NULL, NULL, NULL, NULL FROM {history} WHERE {chosen}",
                past=past,
                target=target,
                history=name,
                chosen=chosen,
            )
        return sql("SELECT * FROM (\n{past}\n){last} ORDER BY DATE", past=past, last=last)

    def reasons(self, series: str) -> Sql:
        """Return the query of a series' forecasts with each feature and its attribution, and BASE."""
        names = self.subject.features.feature_columns
        columns = [name for feature in names for name in (feature, explanation_column(feature))]
        return sql(
            "SELECT DATE, PREDICTION, MODEL, MESSAGE, BASE{columns} FROM {forecasts} "
            "WHERE PART = 'forecast' AND {key}::VARCHAR = {series} ORDER BY DATE",
            columns=join("", [sql(", {name}", name=name) for name in columns]),
            forecasts=self.subject.table,
            key=self.subject.key,
            series=Literal(series),
        )

    def last(self) -> Sql:
        """Return the query of the last period with a known value: DATE."""
        return sql("SELECT MAX(DATE) AS DATE FROM ({past}) WHERE ACTUAL IS NOT NULL", past=self._past())

    def left_out(self) -> Sql:
        """Return the query of the series without a forecast and why: SERIES, REASON."""
        untrained = sql(
            "SELECT {key}::VARCHAR AS SERIES, MAX(MESSAGE) AS REASON FROM {forecasts} WHERE PART = 'untrained' GROUP BY {key}",
            key=self.subject.key,
            forecasts=self.subject.table,
        )
        table = self.subject.features.settings.left_out
        if table is not None:
            untrained = sql(
                "{untrained} UNION ALL SELECT {key}::VARCHAR, REASON FROM {table}",
                untrained=untrained,
                key=self.subject.key,
                table=table,
            )
        return sql("SELECT SERIES, REASON FROM ({rows}) ORDER BY REASON, SERIES", rows=untrained)

    def _past(self) -> Sql:
        """The known values: SERIES, DATE, ACTUAL."""
        if self.subject.history is not None:
            table, target = self.subject.history
            return sql(
                "SELECT {key}::VARCHAR AS SERIES, DATE, {target}::FLOAT AS ACTUAL FROM {table}",
                key=self.subject.key,
                target=target,
                table=table,
            )
        return sql(
            "SELECT {key}::VARCHAR AS SERIES, DATE, ACTUAL FROM {table} WHERE PART IN ('train', 'validation')",
            key=self.subject.key,
            table=self.subject.table,
        )

    def _label(self, series: Fragment) -> Sql:
        """The words for a series: its name, or else its key."""
        if self.attributes is None or not self.attributes.named:
            return sql("{series}", series=series)
        return sql("COALESCE(D.{name}::VARCHAR, {series})", name=NAME, series=series)

    def _joined(self, series: Fragment) -> Sql:
        if self.attributes is None:
            return Sql("")
        return self.attributes.joined(series, levels=bool(self.subject.levels))

    def _where(self, wanted: Filter) -> Sql:
        found = []
        if wanted.search.strip():
            text = Literal(wanted.search.strip().lower())
            found.append(
                sql("(CONTAINS(LOWER(SERIES), {text}) OR CONTAINS(LOWER(LABEL), {text}))", text=text)
            )
        known = {name.name: name for name in (self.attributes.columns if self.attributes else ())}
        for name, values in wanted.values.items():
            if values:
                found.append(
                    sql("{name}::VARCHAR IN {values}", name=known[name], values=Literal(list(values)))
                )
        if wanted.level is not None:
            found.append(sql("REGEXP_COUNT(SERIES, '/') = {level}", level=Literal(wanted.level)))
        if wanted.under is not None:
            node = Literal(wanted.under)
            found.append(sql("(SERIES = {node} OR STARTSWITH(SERIES, {node} || '/'))", node=node))
        return sql(" WHERE {found}", found=join(" AND ", found)) if found else Sql("")
