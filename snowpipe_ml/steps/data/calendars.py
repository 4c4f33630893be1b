"""``holidays``: create a calendar table of public holidays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from pydantic import Field

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import (
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
from snowpipe_ml.sql import Literal, Sql, join, sql
from snowpipe_ml.steps.data.publish import publish_table


def public_holidays(country: str, subdivision: str | None, years: Iterable[int]) -> list[tuple[date, str]]:
    """Return the public holidays of a country, or of one of its subdivisions, with their names, in order.

    Raises:
        StepError: the holidays library does not know the country or the subdivision.
    """
    import holidays

    try:
        found = holidays.country_holidays(country, subdiv=subdivision, years=years)
    except NotImplementedError as error:
        raise StepError(
            f"the holidays library does not support {country} {subdivision or ''}: {error}"
        ) from error
    return sorted(found.items())


@register("holidays")
class Holidays(Step["Holidays.Settings"]):
    """Create a table with one row per public holiday: DATE, NAME, and HOLIDAY = 1.

    The dates come from the ``holidays`` library.
    """

    class Settings(StepSettings):
        """Settings of ``holidays``."""

        country: str = Field(description="ISO 3166-1 alpha-2 code, such as US", pattern="^[A-Z]{2}$")
        subdivision: str | None = Field(None, description="A state or province, such as NJ")
        first_year: int = Field(ge=1900, le=2100)
        last_year: int = Field(ge=1900, le=2100)
        writes: TableName

    settings: Holidays.Settings

    def writes(self, ctx: PlanContext) -> Iterable[Resource]:
        yield table(self.settings.writes, "writes")

    def imports_here(self) -> Mapping[str, str]:
        return {"holidays": "forecast"}

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        return StepPlan(
            f"create {s.writes} with the holidays of {s.country} from {s.first_year} to {s.last_year}"
        )

    def run(self, ctx: RunContext) -> StepResult:
        s = self.settings
        rows = join(
            ", ",
            [
                sql("({day}, {name})", day=Literal(day.isoformat()), name=Literal(name))
                for day, name in public_holidays(
                    s.country, s.subdivision, range(s.first_year, s.last_year + 1)
                )
            ],
        )
        if not rows.text:
            raise StepError("there are no holidays from `first_year` to `last_year`")
        query = sql(
            "SELECT $1::DATE AS DATE, $2::VARCHAR AS NAME, 1 AS HOLIDAY FROM VALUES {rows}", rows=rows
        )
        return StepResult(rows=publish_table(ctx, self.settings.writes, Sql(query.text)))
