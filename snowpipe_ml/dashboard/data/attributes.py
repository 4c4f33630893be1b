"""The attributes of series: names, places and columns to filter by, from a ``dimension`` step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.plugins import Step, StepSettings
from snowpipe_ml.sql import Fragment, Identifier, QualifiedName, Sql, sql
from snowpipe_ml.steps.data.dimension import LATITUDE, LONGITUDE, NAME, Dimension


@dataclass(frozen=True)
class Attributes:
    """The table of a ``dimension`` step, as far as it describes series.

    Attributes:
        table: the table, with a row per key.
        key: its key.
        columns: the columns to filter by.
        named: whether it has the column NAME.
        placed: whether it has the columns LATITUDE and LONGITUDE.
    """

    table: QualifiedName
    key: Identifier
    columns: tuple[Identifier, ...]
    named: bool
    placed: bool

    @property
    def shown(self) -> tuple[Identifier, ...]:
        """All columns besides the key."""
        names = (NAME,) if self.named else ()
        return (*names, *((LATITUDE, LONGITUDE) if self.placed else ()), *self.columns)

    def joined(self, series: Fragment, *, levels: bool) -> Sql:
        """Return ``LEFT JOIN ... AS D`` for an expression with the key of a series, as text.

        Args:
            series: the expression.
            levels: whether the key is a path of a hierarchy, whose last part is that of the attributes.
        """
        key: Fragment = series
        if levels:
            key = sql("REPLACE(REGEXP_SUBSTR({series}, '[^/]*$'), '%2F', '/')", series=series)
        return sql(
            "LEFT JOIN {table} AS D ON D.{column}::VARCHAR = {key}",
            table=self.table,
            column=self.key,
            key=key,
        )


def attributes_of(subject: Subject, steps: Iterable[Step[StepSettings]]) -> Attributes | None:
    """Return the attributes of a subject's series; None if no ``dimension`` step has the same key.

    Of several, the one that reads the events of the series is taken.
    """
    found = [
        step.settings for step in steps if isinstance(step, Dimension) and step.settings.key == subject.key
    ]
    if not found:
        return None
    events = subject.features.settings.from_
    chosen = next((one for one in found if one.from_ == events), found[0])
    return Attributes(
        chosen.writes,
        chosen.key,
        chosen.attributes,
        chosen.name is not None,
        chosen.latitude is not None,
    )
