"""The columns that the settings of a ``features`` step name."""

from __future__ import annotations

from collections.abc import Iterator

from snowpipe_ml.plugins import ColumnUse
from snowpipe_ml.sql import Identifier
from snowpipe_ml.steps.forecasting.feature_settings import FeatureSettings


def joined_columns(settings: FeatureSettings) -> Iterator[ColumnUse]:
    """Yield the columns that a ``features`` step reads from its tables."""
    for name in ("partition_by", "timestamp", "value"):
        column: Identifier | None = getattr(settings, name)
        if column is not None:
            yield ColumnUse(settings.from_, column, (name,))
    for key, one in settings.targets.items():
        if one.value is not None:
            yield ColumnUse(settings.from_, one.value, ("targets", key, "value"))
    for index, level in enumerate(settings.hierarchy):
        yield ColumnUse(settings.from_, level, ("hierarchy", index))
    if settings.calendar is not None:
        yield ColumnUse(settings.calendar, Identifier("DATE"), ("calendar",))
    if settings.holidays is not None:
        yield ColumnUse(settings.holidays.table, settings.holidays.on, ("holidays", "on"))
    for index, other in enumerate(settings.exogenous):
        yield ColumnUse(other.table, other.on, ("exogenous", index, "on"))
        if other.series is not None:
            yield ColumnUse(other.table, other.series, ("exogenous", index, "series"))
        for number, column in enumerate(other.columns):
            yield ColumnUse(other.table, column, ("exogenous", index, "columns", number), feature=True)
    for index, fixed in enumerate(settings.static):
        yield ColumnUse(fixed.table, fixed.series or settings.partition_by, ("static", index, "series"))
        for number, column in enumerate(fixed.columns):
            yield ColumnUse(fixed.table, column, ("static", index, "columns", number), feature=True)


def forecast_columns(settings: FeatureSettings) -> Iterator[ColumnUse]:
    """Yield the columns of the forecast tables that provide a ``features`` step's future exogenous values."""
    for index, other in enumerate(settings.exogenous):
        if isinstance(other.future, str):
            continue
        at = ("exogenous", index, "future", "table")
        yield ColumnUse(other.future.table, other.on, at)
        if other.series is not None:
            yield ColumnUse(other.future.table, other.series, at)
        for column in other.columns:
            yield ColumnUse(other.future.table, column, at, feature=True)
