"""The targets of a ``features`` step: how the events of a period become a value, and the features of its past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from typing import Literal as Choice

from pydantic import BaseModel, ConfigDict, Field, model_validator

from snowpipe_ml.models.known_values import least_known
from snowpipe_ml.plugins import ColumnName
from snowpipe_ml.sql import Identifier, Literal, Sql, sql

Aggregate = Choice["count", "sum", "mean", "min", "max", "distinct"]
Gaps = Choice["zero", "unknown"]
_FUNCTIONS = {"sum": "SUM", "mean": "AVG", "min": "MIN", "max": "MAX", "count": "COUNT"}

ValueSetting = Annotated[
    ColumnName | None, Field(description="Column to aggregate per period; without it, events are counted")
]
AggregateSetting = Annotated[
    Aggregate | None,
    Field(description="How values are aggregated; by default `sum` with `value`, and `count` without it"),
]
GapsSetting = Annotated[
    Gaps | None,
    Field(
        description="The target of periods without an event: by default `zero` for `count`, `sum` and `distinct`, and "
        "`unknown` for the other aggregates"
    ),
]


def check_aggregate(aggregate: Aggregate | None, value: Identifier | None) -> None:
    """Check that an aggregate has a column to aggregate, unless it counts.

    Raises:
        ValueError: it has none.
    """
    if value is None and aggregate not in (None, "count"):
        raise ValueError(f"`aggregate: {aggregate}` needs `value`, the column to aggregate")


class TargetSettings(BaseModel):
    """One of several targets of the same events."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    value: ValueSetting = None
    aggregate: AggregateSetting = None
    gaps: GapsSetting = None

    @model_validator(mode="after")
    def _aggregate_fits(self) -> TargetSettings:
        check_aggregate(self.aggregate, self.value)
        return self


@dataclass(frozen=True)
class PastFeature:
    """A feature that is computed from the past of a target.

    Attributes:
        kind: a single value, or the mean or standard deviation of a window.
        days: the periods to look back, or the length of the window.
        target: the target.
        named: whether the column is named after the target, too.
    """

    kind: Choice["lag", "mean", "stddev"]
    days: int
    target: Identifier
    named: bool = False

    @property
    def column(self) -> Identifier:
        """The column of the feature, such as ``LAG_7`` or ``MEAN_28``; of several targets, ``TRIPS_LAG_7``."""
        own = f"{self.kind.upper()}_{self.days}"
        return Identifier(f"{self.target.name}_{own}" if self.named else own)

    def sql(self, key: Identifier) -> Sql:
        """Return its value over complete periods, as :func:`snowpipe_ml.models.panel.past_value` does."""
        days, target = Literal(self.days), self.target
        if self.kind == "lag":
            return sql(
                "LAG({target}, {days}) OVER (PARTITION BY {key} ORDER BY DATE)",
                target=target,
                days=days,
                key=key,
            )
        function = Sql("AVG" if self.kind == "mean" else "STDDEV")
        least = least_known(self.kind, self.days)
        window = sql(
            "(PARTITION BY {key} ORDER BY DATE ROWS BETWEEN {days} PRECEDING AND 1 PRECEDING)",
            key=key,
            days=days,
        )
        return sql(
            "CASE WHEN COUNT({target}) OVER {window} >= {least} THEN {function}({target}::FLOAT) OVER {window} END",
            target=target,
            window=window,
            least=Literal(least),
            function=function,
        )


@dataclass(frozen=True)
class Target:
    """A column with the value of each period.

    Attributes:
        name: the column.
        value: the column of the events that is aggregated; None if events are counted.
        how: how it is aggregated.
        zeros: whether a period without an event is zero, and not unknown.
    """

    name: Identifier
    value: Identifier | None
    how: Aggregate
    zeros: bool

    @classmethod
    def of(
        cls, name: Identifier, value: Identifier | None, aggregate: Aggregate | None, gaps: Gaps | None
    ) -> Target:
        """Return a target from its settings, with the defaults."""
        how: Aggregate = aggregate or ("count" if value is None else "sum")
        return cls(name, value, how, gaps == "zero" if gaps else how in ("count", "sum", "distinct"))

    def aggregated(self) -> Sql:
        """Return the value of a period over its events."""
        if self.value is None:
            return Sql("COUNT(*)")
        if self.how == "distinct":
            return sql("COUNT(DISTINCT {value})", value=self.value)
        return sql("{function}({value})", function=Sql(_FUNCTIONS[self.how]), value=self.value)

    def known(self) -> Sql:
        """Return its value in a period of the calendar ``V``, of which the events are ``D``."""
        return sql(
            "CASE WHEN V.DATE IS NULL THEN NULL WHEN D.DATE IS NULL THEN {empty} ELSE D.{target} END AS {target}",
            empty=Literal(0) if self.zeros else Sql("NULL"),
            target=self.name,
        )
