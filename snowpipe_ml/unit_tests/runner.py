"""Run one unit test: make the warehouse, run the steps, compare the tables."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from snowpipe_ml import local
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.errors import SnowpipeMLError, SpecError, UsageError
from snowpipe_ml.plugins.connection import Asked
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.tests import ExpectedTable, Row, UnitTest
from snowpipe_ml.sql import DataType, Identifier, QualifiedName, join, sql
from snowpipe_ml.text.problems import did_you_mean
from snowpipe_ml.unit_tests.compare import differences, picked, shown
from snowpipe_ml.unit_tests.isolated import GIVEN, Isolated, lacking, steps_for
from snowpipe_ml.unit_tests.tables import create_statements, read_csv


@dataclass(frozen=True)
class TestResult:
    """The result of a test.

    Attributes:
        name: the test.
        place: its file and line.
        seconds: how long it took.
        failures: what differs, each with its lines; empty if the test passed.
    """

    name: str
    place: str
    seconds: float
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Return whether the test passed."""
        return not self.failures


def run_test(spec: Path, name: str, test: UnitTest, place: str, target: str | None) -> TestResult:
    """Run a test on a new embedded warehouse.

    Args:
        spec: the spec.
        name: the name of the test.
        test: the test.
        place: its file and line.
        target: the target of the spec whose values are used; the default target if None.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="snowpipe-test-") as folder:
        try:
            failures = tuple(_failures(spec, test, Path(folder) / "warehouse", target))
        except SpecError as error:
            failures = (f"the spec is invalid:\n{error}",)
        except SnowpipeMLError as error:
            failures = (str(error),)
    return TestResult(name, place, time.monotonic() - began, failures)


def _failures(path: Path, test: UnitTest, folder: Path, target: str | None) -> Iterator[str]:
    pipeline = Isolated(path, test.vars, folder, test.given)
    spec, graph, _ = pipeline.load(target)
    given = {Identifier.parse(name) for name in test.given}
    steps = _steps(spec, graph, test, given)
    connection = local.connect(folder, str(spec.target.database), spec.target.schema_.sql, share=False)
    with closing(connection):  # keeps the warehouse open while its sessions come and go
        assert isinstance(connection, local.Connection)  # the folder is new: no other process has it
        connection.storage.fixed_time = _instant(test.now)
        asked = Asked(connection)
        _create(asked, spec, test, pipeline.base_dir)
        result = pipeline.run(
            spec.target_name, select=sorted(steps), full_refresh=True, run_date=_day(test.now), threads=2
        )
        errors = [f"{step.name}: {step.error}" for step in result.steps.values() if step.error is not None]
        if test.error is not None:
            if not errors:
                yield f"no step failed; expected an error with the text {test.error!r}"
            elif not any(test.error in error for error in errors):
                yield "\n".join([f"expected an error with the text {test.error!r}, not", *errors])
            return
        if not result.ok:
            yield "\n".join(
                errors or [f"{s.name}: {s.status.value}" for s in result.steps.values() if s.message]
            )
            return
        for name, expected in test.expect.items():
            yield from _compared(asked, name, expected, pipeline.base_dir)


def _steps(spec: Spec, graph: Graph, test: UnitTest, given: set[Identifier]) -> set[str]:
    known = list(spec.pipeline.steps)
    for step in test.step:
        if step not in known:
            hint = did_you_mean(step, known)
            raise UsageError(f"no step {step!r}" + (f"; {hint}" if hint else ""))
    steps = set(test.step) or steps_for(graph, [Identifier.parse(name) for name in test.expect], given)
    messages = lacking(graph, steps, given)
    if messages:
        raise UsageError("\n".join(messages))
    return steps


def _create(asked: Asked, spec: Spec, test: UnitTest, folder: Path) -> None:
    """Create the given tables. The rows of a source are in another schema: the source is a view of them."""
    sources = {Identifier.parse(name): source.columns for name, source in spec.pipeline.sources.items()}
    tables = {Identifier.parse(name): table.columns for name, table in spec.pipeline.tables.items()}
    if any(Identifier.parse(name) in sources for name in test.given):
        asked.execute(sql("CREATE SCHEMA IF NOT EXISTS {name}", name=QualifiedName((GIVEN,))))
        asked.execute(sql("USE SCHEMA {name}", name=QualifiedName((spec.target.schema_,))))
    for name, given in test.given.items():
        table = Identifier.parse(name)
        declared: Mapping[str, DataType] = sources.get(table) or tables.get(table) or {}
        where = (GIVEN, table) if table in sources else (table,)
        for statement in create_statements(QualifiedName(where), given, declared, folder):
            asked.execute(statement)


def _compared(asked: Asked, name: str, expected: ExpectedTable, folder: Path) -> Iterator[str]:
    table = QualifiedName((Identifier.parse(name),))
    if expected.count is not None:
        (row,) = asked.execute(sql("SELECT COUNT(*) AS N FROM {table}", table=table))
        if row["N"] != expected.count:
            yield f"{table} has {row['N']:,} rows; expected {expected.count:,}"
    if expected.rows is None and expected.csv is None:
        return
    names, rows = _expected_rows(expected, folder)
    if not names:
        (row,) = asked.execute(sql("SELECT COUNT(*) AS N FROM {table}", table=table))
        if row["N"]:
            yield f"{table} has {row['N']:,} rows; expected none"
        return
    columns = {column: Identifier.parse(column) for column in names}
    known = [str(field["name"]) for field in _described(asked, table)]
    absent = [column for column in columns.values() if column.name not in known]
    if absent:
        hint = did_you_mean(absent[0].name, known) or f"it has {', '.join(known)}"
        yield f"{table} has no column {absent[0]}; {hint}"
        return
    order = join(", ", [Identifier.parse(column) for column in expected.ordered])
    query = sql("SELECT {columns} FROM {table}", columns=join(", ", columns.values()), table=table)
    if expected.ordered:
        query = sql("{query} ORDER BY {order}", query=query, order=order)
    actual = [
        dict(zip(names, (row[column.name] for column in columns.values()), strict=True))
        for row in asked.execute(query)
    ]
    found = differences(picked(rows, names), actual, expected.tolerance, ordered=bool(expected.ordered))
    if found:
        absent_rows = sum(item.actual is None for item in found)
        changed = sum(item.actual is not None and item.expected is not None for item in found)
        more = len(found) - absent_rows - changed
        counts = [(changed, "differ"), (absent_rows, "absent"), (more, "unexpected")]
        summary = ", ".join(f"{count:,} {what}" for count, what in counts if count)
        lines = shown(names, found, expected.tolerance)
        yield "\n".join(
            [f"{table}: of {len(rows):,} expected rows and {len(actual):,} found: {summary}", *lines]
        )


def _described(asked: Asked, table: QualifiedName) -> list[Mapping[str, object]]:
    return [row.as_dict() for row in asked.execute(sql("DESCRIBE TABLE {table}", table=table))]


def _expected_rows(expected: ExpectedTable, folder: Path) -> tuple[list[str], list[Row]]:
    if expected.csv is not None:
        return read_csv(folder / expected.csv)
    rows = list(expected.rows or ())
    return list(dict.fromkeys(name for row in rows for name in row)), rows


def _instant(now: datetime | date | None) -> datetime | None:
    if now is None:
        return None
    if isinstance(now, datetime):
        return now.astimezone(UTC) if now.tzinfo is not None else now.replace(tzinfo=UTC)
    return datetime(now.year, now.month, now.day, tzinfo=UTC)


def _day(now: datetime | date | None) -> date | None:
    return now.date() if isinstance(now, datetime) else now
