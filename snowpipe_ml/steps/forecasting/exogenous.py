"""The SQL of exogenous columns: joined to the history, and to the periods to come."""

from __future__ import annotations

from collections.abc import Sequence

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import RunContext
from snowpipe_ml.sql import Fragment, Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.forecasting.covariates import Exogenous, ForecastTable, Joined, Static
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


def past_columns(
    number: int, other: Exogenous, key: Fragment, periods: Periods
) -> tuple[list[Sql], list[Sql]]:
    """Return the features of the periods ``D`` of the history as select-list items, each after a comma, and their joins.

    Args:
        number: the number of the table, which its aliases have.
        other: its settings.
        key: the column of the series to join.
        periods: the periods of the features.
    """
    joins = []
    for lag in other.lags or (0,):
        day = periods.plus(Sql("D.DATE"), Literal(-lag)) if lag else Sql("D.DATE")
        joins.append(_join(_alias(number, lag), other.table, other, day, key))
    items = [
        sql(
            ", {value} AS {name}",
            value=_filled(_alias(number, one.lag), one.column, other.fill),
            name=one.name,
        )
        for one in other.features
    ]
    return items, joins


def future_columns(
    number: int, other: Exogenous, key: Fragment, periods: Periods
) -> tuple[list[Sql], list[Sql], list[Sql]]:
    """Return the features of the future periods ``D``, their joins, and common table expressions, each after a comma.

    The arguments are those of :func:`past_columns`.
    """
    ctes, joins = [], []
    for lag in other.lags or (0,):
        made, joined = _future_join(_alias(number, lag), other, lag, key, periods)
        ctes.append(made)
        joins.append(joined)
    items = [
        sql(", {value} AS {name}", value=_future_value(_alias(number, one.lag), other, one), name=one.name)
        for one in other.features
    ]
    return items, joins, ctes


def static_columns(
    statics: Sequence[Static], key: Fragment, partition_by: Identifier
) -> tuple[list[Sql], list[Sql]]:
    """Return the static features as select-list items, each after a comma, and their joins.

    Args:
        statics: the settings of the tables.
        key: the column of the series to join.
        partition_by: the name of this column, which the tables have unless they name another.
    """
    items, joins = [], []
    for number, other in enumerate(statics, 1):
        alias = Identifier(f"C{number}")
        joins.append(
            sql(
                "LEFT JOIN {table} AS {alias} ON {alias}.{series} = {key}",
                table=other.table,
                alias=alias,
                series=other.series or partition_by,
                key=key,
            )
        )
        items += [
            sql(", {value} AS {column}", value=_filled(alias, column, other.fill), column=column)
            for column in other.columns
        ]
    return items, joins


def check_static(ctx: RunContext, other: Static, partition_by: Identifier) -> None:
    """Refuse a table with several rows for a series, which a join would duplicate.

    Raises:
        StepError: it names the table.
    """
    series = other.series or partition_by
    double = ctx.scalar(
        sql(
            "SELECT COUNT(*) FROM (SELECT {series} FROM {table} WHERE {series} IS NOT NULL GROUP BY {series} "
            "HAVING COUNT(*) > 1)",
            series=series,
            table=other.table,
        )
    )
    if double:
        raise StepError(
            f"{other.table} has several rows for {double} values of {series}; it must have one per series"
        )


def _alias(number: int, lag: int) -> Identifier:
    return Identifier(f"X{number}_{lag}" if lag else f"X{number}")


def _future_join(
    alias: Identifier, other: Exogenous, lag: int, key: Fragment, periods: Periods
) -> tuple[Sql, Sql]:
    """Return a common table expression, which may be empty, and the join to the future periods ``D``."""
    if lag:
        at = Identifier(f"A{alias.name}")
        moved = sql(
            ", {at} AS (\n  SELECT D.DATE, LEAST({day}, L.LAST_DAY) AS AT FROM DAYS D CROSS JOIN LAST_DAY L\n)",
            at=at,
            day=periods.plus(Sql("D.DATE"), Literal(-lag)),
        )
        joined = _join(alias, other.table, other, sql("{at}.AT", at=at), key)
        return moved, sql("JOIN {at} ON {at}.DATE = D.DATE\n{joined}", at=at, joined=joined)
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


def _future_value(alias: Identifier, other: Exogenous, one: Joined) -> Sql:
    """Return the value of a feature in a future period."""
    if other.policy == "climatology":
        return sql(
            "COALESCE({alias}.{column}, {recent}.{column})",
            alias=alias,
            recent=Identifier(f"R{alias.name}"),
            column=one.column,
        )
    return _filled(alias, one.column, other.fill)


def _filled(alias: Identifier, column: Identifier, fill: float | None) -> Sql:
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
