"""The SQL of exogenous columns: joined to the history, and to the periods to come."""

from __future__ import annotations

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import RunContext
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.forecasting.feature_settings import Exogenous, ForecastTable
from snowpipe_ml.steps.forecasting.frequency import check_frequency
from snowpipe_ml.steps.forecasting.periods import Periods


def check_exogenous(
    ctx: RunContext, name: QualifiedName, other: Exogenous, periods: Periods, *, gaps: bool = True
) -> None:
    """Refuse a table whose rows are more or less frequent than the periods, or several for one.

    Args:
        ctx: the context of the step.
        name: the table of the past or of a forecast.
        other: its settings.
        periods: the periods of the features.
        gaps: whether less frequent rows are refused too.

    Raises:
        StepError: it names the table; a join would duplicate or lose periods.
    """
    check_frequency(ctx, name, other.on, periods, other.series, gaps=gaps)
    by = join(", ", _keys(other))
    known = join(" AND ", [sql("{column} IS NOT NULL", column=column) for column in _keys(other)])
    double = ctx.scalar(
        sql(
            "SELECT COUNT(*) FROM (SELECT {by} FROM {table} WHERE {known} GROUP BY {by} HAVING COUNT(*) > 1)",
            by=by,
            known=known,
            table=name,
        )
    )
    if double and other.series is None:
        raise StepError(
            f"{name} has several rows for {double} days; it must have at most one row per day. If each series has its "
            "own, name its column in `series`"
        )
    if double:
        raise StepError(
            f"{name} has several rows for {double} pairs of {other.series} and {other.on}; it must have at most one each"
        )


def _keys(other: Exogenous) -> list[Identifier]:
    return [other.on, *([other.series] if other.series is not None else [])]


def past_join(alias: Identifier, other: Exogenous, key: Fragment) -> Sql:
    """Return the join to the periods ``D`` of the history.

    Args:
        alias: the alias of the table.
        other: its settings.
        key: the column of the series to join.
    """
    return _join(alias, other.table, other, Sql("D.DATE"), key)


def future_join(alias: Identifier, other: Exogenous, key: Fragment, periods: Periods) -> tuple[Sql, Sql]:
    """Return a common table expression, which may be empty, and the join to the future periods ``D``.

    Args:
        alias: the alias of the joined table or expression.
        other: the settings.
        key: the column of the series to join.
        periods: the periods of the features.
    """
    if other.policy == "climatology":
        recent = Identifier(f"R{alias.name}")
        # Day 366 may not occur in the history: day 365 is used instead.
        joined = sql(
            "LEFT JOIN {alias} ON {alias}.DAY = {day}{same}",
            alias=alias,
            day=periods.of_year(Sql("D.DATE")),
            same=_same(alias, other, key),
        )
        return _climatology(alias, recent, other, periods), sql(
            "{joined} LEFT JOIN {recent} ON TRUE{same}",
            joined=joined,
            recent=recent,
            same=_same(recent, other, key),
        )
    if other.policy == "last":
        return _last(alias, other), sql(
            "LEFT JOIN {alias} ON TRUE{same}", alias=alias, same=_same(alias, other, key)
        )
    source = other.future.table if isinstance(other.future, ForecastTable) else other.table
    day = periods.year_before(Sql("D.DATE")) if other.policy == "last_year" else Sql("D.DATE")
    return Sql(""), _join(alias, source, other, day, key)


def future_value(alias: Identifier, other: Exogenous, column: Identifier) -> Sql:
    """Return the value of a column in a future period, after :func:`future_join`."""
    if other.policy == "climatology":
        return sql(
            "COALESCE({alias}.{column}, {recent}.{column})",
            alias=alias,
            recent=Identifier(f"R{alias.name}"),
            column=column,
        )
    return filled(alias, column, other.fill)


def filled(alias: Identifier, column: Identifier, fill: float | None) -> Sql:
    """Return a column of a joined table, with the fill value for periods that the table does not have."""
    value = sql("{alias}.{column}", alias=alias, column=column)
    return value if fill is None else sql("COALESCE({value}, {fill})", value=value, fill=Literal(fill))


def _join(alias: Identifier, source: QualifiedName, other: Exogenous, day: Sql, key: Fragment) -> Sql:
    return sql(
        "LEFT JOIN {table} AS {alias} ON {alias}.{on} = {day}{same}",
        table=source,
        alias=alias,
        on=other.on,
        day=day,
        same=_same(alias, other, key),
    )


def _same(alias: Identifier, other: Exogenous, key: Fragment) -> Sql:
    """The condition that a row is of the series; empty if all series share the rows."""
    if other.series is None:
        return Sql("")
    return sql(" AND {alias}.{series} = {key}", alias=alias, series=other.series, key=key)


def _climatology(alias: Identifier, recent: Identifier, other: Exogenous, periods: Periods) -> Sql:
    """Return expressions of the mean of each time of the year so far, and of the last weeks or months."""
    own = [other.series] if other.series is not None else []
    means = [sql("AVG({c}::FLOAT) AS {c}", c=column) for column in other.columns]
    grouped = sql(" GROUP BY {own}", own=join(", ", own)) if own else Sql("")
    return sql(
        ", {alias} AS (\n  SELECT {columns} FROM {table}, LAST_DAY\n"
        "  WHERE {on} <= LAST_DAY.LAST_DAY GROUP BY {by}\n), {recent} AS (\n"
        "  SELECT {recently} FROM {table}, LAST_DAY\n"
        "  WHERE {on} BETWEEN {since} AND LAST_DAY.LAST_DAY{grouped}\n)",
        columns=join(", ", [*own, sql("{day} AS DAY", day=periods.of_year(other.on)), *means]),
        by=join(", ", [*own, periods.of_year(other.on)]),
        recently=join(", ", [*own, *means]),
        since=periods.plus(Sql("LAST_DAY.LAST_DAY"), Literal(1 - periods.frequency.recent)),
        grouped=grouped,
        alias=alias,
        recent=recent,
        on=other.on,
        table=other.table,
    )


def _last(alias: Identifier, other: Exogenous) -> Sql:
    """Return an expression with the last known value of each column up to the last period of the history."""
    own = [other.series] if other.series is not None else []
    by = sql("PARTITION BY {series} ", series=other.series) if other.series is not None else Sql("")
    values = [
        sql(
            "LAST_VALUE({c}::FLOAT) IGNORE NULLS OVER ({by}ORDER BY {on} "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS {c}",
            c=column,
            by=by,
            on=other.on,
        )
        for column in other.columns
    ]
    return sql(
        ", {alias} AS (\n  SELECT {columns} FROM {table}, LAST_DAY WHERE {on} <= LAST_DAY.LAST_DAY\n"
        "  QUALIFY ROW_NUMBER() OVER ({by}ORDER BY {on}) = 1\n)",
        columns=join(", ", [*own, *values]),
        by=by,
        alias=alias,
        on=other.on,
        table=other.table,
    )
