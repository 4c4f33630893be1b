"""``holidays``: create a calendar table of public holidays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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

    def _days(self) -> Iterator[tuple[date, str]]:
        import holidays

        s = self.settings
        try:
            found = holidays.country_holidays(
                s.country, subdiv=s.subdivision, years=range(s.first_year, s.last_year + 1)
            )
        except NotImplementedError as error:
            raise StepError(
                f"the holidays library does not support {s.country} {s.subdivision or ''}: {error}"
            ) from error
        yield from sorted(found.items())

    def plan(self, ctx: PlanContext) -> StepPlan:
        s = self.settings
        return StepPlan(
            f"create {s.writes} with the holidays of {s.country} from {s.first_year} to {s.last_year}"
        )

    def run(self, ctx: RunContext) -> StepResult:
        rows = join(
            ", ",
            [
                sql("({day}, {name})", day=Literal(day.isoformat()), name=Literal(name))
                for day, name in self._days()
            ],
        )
        if not rows.text:
            raise StepError("there are no holidays from `first_year` to `last_year`")
        query = sql(
            "SELECT $1::DATE AS DATE, $2::VARCHAR AS NAME, 1 AS HOLIDAY FROM VALUES {rows}", rows=rows
        )
        return StepResult(rows=publish_table(ctx, self.settings.writes, Sql(query.text)))
