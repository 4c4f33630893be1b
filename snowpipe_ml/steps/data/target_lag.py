"""Target lags of dynamic tables, and the replacement of a dynamic table by another object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snowpipe_ml.plugins import RunContext
from snowpipe_ml.sql import Literal, QualifiedName, Sql, sql

_LAG = re.compile(r"(\d+)\s*(second|minute|hour|day)s?", re.I)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class TargetLag:
    """How far a dynamic table may lag behind the tables that it reads.

    Attributes:
        seconds: the lag; None for DOWNSTREAM, as the dynamic tables that read it need.
    """

    seconds: int | None

    @classmethod
    def parse(cls, text: str) -> TargetLag:
        """Parse a text such as ``20 minutes`` or ``downstream``.

        Raises:
            ValueError: it is neither, or is less than a minute.
        """
        if text.strip().lower() == "downstream":
            return cls(None)
        found = _LAG.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                f"target_lag must be a number and a unit, such as '20 minutes', or downstream, not {text!r}"
            )
        seconds = int(found[1]) * _SECONDS[found[2].lower()]
        if seconds < 60:
            raise ValueError(f"target_lag must be at least 60 seconds, not {text!r}")
        return cls(seconds)

    @property
    def sql(self) -> Sql:
        """The lag as Snowflake writes it: in the greatest unit of which it is a whole number."""
        if self.seconds is None:
            return Sql("DOWNSTREAM")
        unit = next(unit for unit in reversed(_SECONDS) if self.seconds % _SECONDS[unit] == 0)
        count = self.seconds // _SECONDS[unit]
        return sql("{text}", text=Literal(f"{count} {unit}{'' if count == 1 else 's'}"))


def without_dynamic(
    ctx: RunContext, name: QualifiedName, shown: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Drop a dynamic table that another object is about to replace, which CREATE OR REPLACE cannot do.

    Args:
        ctx: the context of the step.
        name: the table.
        shown: the existing object, as :meth:`RunContext.shown` returns it.

    Returns:
        The existing object; None if there is none, or it was dropped.
    """
    if shown is None or shown["is_dynamic"] != "Y":
        return shown
    ctx.before_publishing()
    ctx.execute(sql("DROP DYNAMIC TABLE {name}", name=name))
    return None
