"""The surroundings of a table: what its spec declares that an exploration uses, and that its YAML must fit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.errors import UsageError
from snowpipe_ml.exploration.question import Covariate, columns_of
from snowpipe_ml.packages.channel import distribution_name, parse_package
from snowpipe_ml.plugins import Kind
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import Identifier, QualifiedName, sql
from snowpipe_ml.steps.data.calendars import Holidays
from snowpipe_ml.steps.forecasting.features import Features
from snowpipe_ml.steps.models.bundle import BundleSettings
from snowpipe_ml.text.problems import did_you_mean

_NEEDED = {"numpy", "pandas", "statsforecast"}
_COUNTRY = re.compile(r"([A-Z]{2})(?:-(\w+))?")
_DATE = Identifier("DATE")
_NUMBERS = ("NUMBER", "FLOAT", "INT", "DECIMAL", "DOUBLE", "BOOLEAN")


@dataclass(frozen=True)
class Surroundings:
    """The parts of a spec that matter to an exploration.

    Attributes:
        spec: the spec.
        graph: its graph.
    """

    spec: Spec
    graph: Graph

    @property
    def tables(self) -> list[QualifiedName]:
        """The tables and views that the pipeline writes, in the order of the graph."""
        return [
            resource.name
            for node in self.graph.nodes.values()
            for resource in node.writes
            if resource.kind is Kind.TABLE and isinstance(resource.name, QualifiedName)
        ]

    def features_of(self, table: QualifiedName) -> Features | None:
        """Return the first `features` step that reads a table."""
        found = (step for step in self.spec.steps.values() if isinstance(step, Features))
        return next((step for step in found if step.settings.from_ == table), None)

    def holidays(self, country: tuple[str, str | None] | None = None) -> Holidays | None:
        """Return a `holidays` step: the first, or the first of a country."""
        found = (step for step in self.spec.steps.values() if isinstance(step, Holidays))
        return next(
            (s for s in found if country in (None, (s.settings.country, s.settings.subdivision))), None
        )

    def covariates(self, table: QualifiedName) -> list[Covariate]:
        """Return the numeric columns by period of other tables: those of a `features` step, or of sources."""
        known = self.features_of(table)
        if known is not None:
            return [
                Covariate(other.table, column, other.on)
                for other in known.settings.exogenous
                for column in other.columns
            ]
        return list(self._of_sources(table))

    def _of_sources(self, table: QualifiedName) -> Iterator[Covariate]:
        for written, source in self.spec.pipeline.sources.items():
            name = QualifiedName.parse(written)
            columns = {Identifier.parse(column): str(kind).upper() for column, kind in source.columns.items()}
            if name == table or not columns.get(_DATE, "").startswith(("DATE", "TIMESTAMP")):
                continue
            for column, kind in columns.items():
                if kind.startswith(_NUMBERS):
                    yield Covariate(name, column, _DATE)

    @property
    def stage(self) -> str | None:
        """The stage of another function, or else the last internal stage that the spec declares."""
        of_functions = (
            step.settings.stage.sql.lower()
            for step in self.spec.steps.values()
            if isinstance(step.settings, BundleSettings)
        )
        internal = [name for name, stage in self.spec.pipeline.stages.items() if stage.url is None]
        return next(of_functions, internal[-1] if internal else None)

    @property
    def packages(self) -> str | None:
        """The first list of packages with what a statistical forecaster needs."""
        for name, listed in self.spec.pipeline.packages.items():
            if {distribution_name(parse_package(text).name) for text in listed.packages} >= _NEEDED:
                return name
        return None

    @property
    def warehouse(self) -> str | None:
        """The warehouse that most steps of the spec name."""
        named = Counter(
            step.settings.warehouse.sql.lower()
            for step in self.spec.steps.values()
            if step.settings.warehouse is not None
        )
        return named.most_common(1)[0][0] if named else None

    def declares(self, section: str) -> bool:
        """Return whether the spec has a top-level section."""
        value = self.spec.document.value
        return isinstance(value, Mapping) and section in value

    @property
    def ends_with_steps(self) -> bool:
        """Return whether `steps` is the last section of the spec, so that steps can be appended to the file."""
        value = self.spec.document.value
        if not isinstance(value, Mapping) or not isinstance(value.get("steps"), Mapping):
            return False
        lines = {key: self.spec.document.position((str(key),), key=True).line for key in value}
        return bool(max(lines, key=lambda key: lines[key]) == "steps")

    def prefix(self, table: QualifiedName) -> str:
        """Return a beginning for the names of new steps and tables that no other name of the spec has."""
        plain = re.sub(r"\W+", "_", table.name.name.lower()).strip("_")
        prefix = plain if re.match(r"[a-z_]", plain) else f"series_{plain}"
        taken = {*self.spec.steps, *(name.name.name.lower() for name in self.tables)}
        candidates = [prefix, f"explored_{prefix}", *(f"explored_{prefix}_{n}" for n in range(2, 100))]
        return next(one for one in candidates if not any(name.startswith(f"{one}_") for name in taken))

    def check_table(self, ask: Asks, table: QualifiedName) -> None:
        """Check that a table is there.

        Raises:
            UsageError: it is not; the message says which step writes it, or the nearest name.
        """
        if ask.listed("OBJECTS", table):
            return
        writer = next(
            (
                node.name
                for node in self.graph.nodes.values()
                for resource in node.writes
                if resource.kind is Kind.TABLE and resource.name == table
            ),
            None,
        )
        message = f"there is no table {table} on the target {self.spec.target_name}"
        if writer is not None:
            raise UsageError(
                f"{message} yet: run the pipeline first, such as with --select +{writer.rpartition('.')[2]}"
            )
        hint = did_you_mean(table.sql, [name.sql for name in self.tables])
        raise UsageError(message + (f"; {hint}" if hint else ""))


def country_of(text: str) -> tuple[str, str | None]:
    """Read a country, such as ``US`` or ``US-NJ``.

    Raises:
        UsageError: the text is no country code.
    """
    found = _COUNTRY.fullmatch(text)
    if not found:
        raise UsageError(f"--holidays: {text!r} is no country, such as US, or subdivision, such as US-NJ")
    return found[1], found[2]


def covariate_of(ask: Asks, text: str) -> Covariate:
    """Read a column of another table, such as ``weather.TEMP``, and check that the table has it and a date.

    Raises:
        UsageError: the text names no column, or the table has no such column or no column DATE.
    """
    try:
        parts = QualifiedName.parse(text).parts
    except ValueError as error:
        raise UsageError(f"--exogenous: {error}") from error
    if len(parts) < 2:
        raise UsageError(f"--exogenous: {text!r} is not TABLE.COLUMN, such as weather.TEMP")
    found = Covariate(QualifiedName(parts[:-1]), parts[-1], _DATE)
    if not ask.listed("OBJECTS", found.table):
        raise UsageError(f"--exogenous: there is no table {found.table}")
    columns = columns_of(ask, found.table)
    for column in (found.column, _DATE):
        if column.name not in columns:
            hint = did_you_mean(column.name, columns)
            raise UsageError(
                f"--exogenous: {found.table} has no column {column}" + (f"; {hint}" if hint else "")
            )
    if not columns[found.column.name].startswith(_NUMBERS):
        raise UsageError(
            f"--exogenous: {found.column} of {found.table} is a {columns[found.column.name]}, and not a number"
        )
    return found


def several_rows(ask: Asks, other: Covariate) -> bool:
    """Return whether a table has several rows for a time, so that a join would repeat the periods."""
    rows = ask.execute(
        sql(
            "SELECT COUNT(*) - COUNT(DISTINCT {on}) FROM {table} WHERE {on} IS NOT NULL",
            on=other.on,
            table=other.table,
        )
    )
    return bool(rows[0][0])
