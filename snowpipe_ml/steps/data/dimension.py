"""``dimension``: the attributes of each series or entity, in one row."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, model_validator

from snowpipe_ml.plugins import (
    ColumnName,
    ColumnUse,
    PlanContext,
    Resource,
    RunContext,
    Step,
    StepPlan,
    StepResult,
    StepSettings,
    TableName,
    register,
    table,
)
from snowpipe_ml.sql import Identifier, Sql, join, sql
from snowpipe_ml.steps.data.publish import publish_table

NAME, LATITUDE, LONGITUDE = map(Identifier, ("NAME", "LATITUDE", "LONGITUDE"))


@register("dimension")
class Dimension(Step["Dimension.Settings"]):
    """Keep the attributes of each key, such as the name and the place of a station, in a table of one row per key.

    An attribute is the latest known value by ``timestamp``, or the most frequent one without it; a place is the
    median of the coordinates. The dashboard shows the attributes of the series that a ``features`` step makes with
    ``partition_by`` the same column, and never reads ``from``.
    """

    example = """
stations:
  type: dimension
  from: trips
  key: STATION_ID
  timestamp: STARTED_AT
  name: START_STATION_NAME
  latitude: START_LAT
  longitude: START_LNG
  writes: stations
"""

    class Settings(StepSettings):
        """Settings of ``dimension``."""

        from_: TableName = Field(alias="from", description="Table with the attributes in its rows")
        key: ColumnName = Field(description="Column that identifies a row of the output")
        timestamp: ColumnName | None = Field(
            None, description="Time of a row: the latest known values are kept; by default the most frequent"
        )
        name: ColumnName | None = Field(None, description="Column for NAME, which people read")
        latitude: ColumnName | None = Field(None, description="Column for LATITUDE, in degrees")
        longitude: ColumnName | None = Field(None, description="Column for LONGITUDE, in degrees")
        attributes: tuple[ColumnName, ...] = Field((), description="More columns, such as those to filter by")
        writes: TableName

        @model_validator(mode="after")
        def _fits(self) -> Dimension.Settings:
            if (self.latitude is None) != (self.longitude is None):
                raise ValueError("give latitude and longitude together")
            names = [self.key, *self.attributes]
            names += [one for one, column in ((NAME, self.name), (LATITUDE, self.latitude)) if column]
            names += [LONGITUDE] if self.longitude is not None else []
            twice = sorted({name.sql for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two columns would be named {', '.join(twice)}")
            if len(names) == 1:
                raise ValueError("give at least one of name, latitude and longitude, and attributes")
            return self

    settings: Dimension.Settings

    def reads(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.from_, "from")

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")

    def columns_read(self, ctx: PlanContext) -> Iterable[ColumnUse]:
        s = self.settings
        for place in ("key", "timestamp", "name", "latitude", "longitude"):
            column = getattr(s, place)
            if column is not None:
                yield ColumnUse(s.from_, column, (place,))
        for index, column in enumerate(s.attributes):
            yield ColumnUse(s.from_, column, ("attributes", index))

    def _value(self, column: Identifier) -> Sql:
        """Return the value of an attribute over the rows of a key.

        https://docs.snowflake.com/en/sql-reference/functions/max_by
        https://docs.snowflake.com/en/sql-reference/functions/mode
        """
        time = self.settings.timestamp
        if time is None:
            return sql("MODE({column})", column=column)
        return sql("MAX_BY({column}, IFF({column} IS NULL, NULL, {time}))", column=column, time=time)

    def _query(self) -> Sql:
        s = self.settings
        items = [(s.key, sql("{key}", key=s.key))]
        if s.name is not None:
            items.append((NAME, self._value(s.name)))
        for name, column in ((LATITUDE, s.latitude), (LONGITUDE, s.longitude)):
            if column is not None:
                items.append((name, sql("MEDIAN({column}::FLOAT)", column=column)))
        items += [(column, self._value(column)) for column in s.attributes]
        listed = join(", ", [sql("{value} AS {name}", value=value, name=name) for name, value in items])
        return sql(
            "SELECT {listed} FROM {source} WHERE {key} IS NOT NULL GROUP BY {key}",
            listed=listed,
            source=s.from_,
            key=s.key,
        )

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        statement = sql("CREATE OR REPLACE TABLE {name} AS {query}", name=s.writes, query=self._query())
        return StepPlan(f"keep the attributes of each {s.key}", (statement,))

    def run(self, ctx: RunContext) -> StepResult:
        return StepResult(rows=publish_table(ctx, self.settings.writes, self._query()))
