"""Run one unit test: make the warehouse, run the steps, compare the tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from snowpipe_ml import local
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.run.whole import What, run_unrecorded
from snowpipe_ml.errors import SnowpipeMLError, SpecError, UsageError
from snowpipe_ml.plugins.connection import Asked, Connection
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.tests import ExpectedTable, Row, UnitTest
from snowpipe_ml.sql import DataType, Identifier, QualifiedName, join, sql
from snowpipe_ml.temporary import TemporaryFolder
from snowpipe_ml.text.problems import did_you_mean
from snowpipe_ml.unit_tests.compare import Difference, differences, equal, picked, shown
from snowpipe_ml.unit_tests.isolated import Isolated, Place, WarehouseOfTest, lacking, steps_for
from snowpipe_ml.unit_tests.rewriting import Update
from snowpipe_ml.unit_tests.tables import column_of, create_statements, read_csv


@dataclass(frozen=True)
class TestResult:
    """The result of a test.

    Attributes:
        name: the test.
        place: its file and line.
        seconds: how long it took.
        failures: what differs, each with its lines; empty if the test passed.
        updates: the changes of its expectations with which it passes; empty if there are none.
    """

    name: str
    place: str
    seconds: float
    failures: tuple[str, ...]
    updates: tuple[Update, ...] = ()

    @property
    def ok(self) -> bool:
        """Return whether the test passed."""
        return not self.failures


@dataclass(frozen=True)
class Failure:
    """A failure of a test.

    Attributes:
        text: its lines.
        update: the change of the expectation with which the test passes; None if there is none.
    """

    text: str
    update: Update | None = None


@dataclass(frozen=True)
class Outcome:
    """The findings of a test in one place.

    Attributes:
        failures: what differs from the expectation.
        tables: the rows of the expected tables, of all columns.
    """

    failures: tuple[Failure, ...]
    tables: Mapping[str, list[Row]]


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
    failures = reported(lambda: run_locally(spec, test, target)).failures
    updates = tuple(failure.update for failure in failures if failure.update is not None)
    return TestResult(
        name,
        place,
        time.monotonic() - began,
        tuple(failure.text for failure in failures),
        updates if len(updates) == len(failures) else (),
    )


def reported(run: Callable[[], Outcome]) -> Outcome:
    """Run a test; an error of the spec or of the test is a failure."""
    try:
        return run()
    except SpecError as error:
        return Outcome((Failure(f"the spec is invalid:\n{error}"),), {})
    except SnowpipeMLError as error:
        return Outcome((Failure(str(error)),), {})


def run_locally(spec: Path, test: UnitTest, target: str | None) -> Outcome:
    """Run a test on a new embedded warehouse."""
    with TemporaryFolder("test") as folder:
        place = WarehouseOfTest(folder / "warehouse")
        pipeline = Isolated(spec, test.vars, place, test.given)
        loaded, graph, _ = pipeline.load(target)
        connection = local.connect(
            place.folder, str(loaded.target.database), loaded.target.schema_.sql, share=False
        )
        with closing(connection):  # keeps the warehouse open while its sessions come and go
            assert isinstance(connection, local.Connection)  # the folder is new: no other process has it
            connection.storage.fixed_time = _instant(test.now)
            return run_in(pipeline, loaded, graph, place, test, connection)


def run_in(
    pipeline: Isolated, spec: Spec, graph: Graph, place: Place, test: UnitTest, connection: Connection
) -> Outcome:
    """Create the given tables, run the steps and compare the tables, in the place of a connection.

    Args:
        pipeline: the pipeline.
        spec: its spec, as it was loaded.
        graph: its graph.
        place: the place.
        test: the test.
        connection: a connection to the place.
    """
    steps = _steps(spec, graph, test, {Identifier.parse(name) for name in test.given})
    asked = Asked(connection)
    _create(asked, spec, test, pipeline.base_dir, place.given)
    # Nobody reads the records of a test, whose tables and statements would take most of its time.
    what = What(run_date=_day(test.now), select=tuple(sorted(steps)), full_refresh=True)
    result = run_unrecorded(pipeline, spec.target_name, what, threads=2)
    errors = [f"{step.name}: {step.error}" for step in result.steps.values() if step.error is not None]
    if test.error is not None:
        if not errors:
            return Outcome((Failure(f"no step failed; expected an error with the text {test.error!r}"),), {})
        if any(test.error in error for error in errors):
            return Outcome((), {})
        lines = [f"expected an error with the text {test.error!r}, not", *errors]
        return Outcome((Failure("\n".join(lines)),), {})
    if not result.ok:
        lines = errors or [f"{s.name}: {s.status.value}" for s in result.steps.values() if s.message]
        return Outcome((Failure("\n".join(lines)),), {})
    failures: list[Failure] = []
    tables = {}
    for name, expected in test.expect.items():
        failures += _compared(asked, name, expected, pipeline.base_dir)
        table = QualifiedName((Identifier.parse(name),))
        rows = asked.execute(sql("SELECT * FROM {table}", table=table))
        tables[str(table)] = [dict(row.as_dict()) for row in rows]
    return Outcome(tuple(failures), tables)


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


def _create(asked: Asked, spec: Spec, test: UnitTest, folder: Path, schema: Identifier) -> None:
    """Create the given tables. The rows of a source are in another schema: the source is a view of them."""
    sources = {Identifier.parse(name): source.columns for name, source in spec.pipeline.sources.items()}
    tables = {Identifier.parse(name): table.columns for name, table in spec.pipeline.tables.items()}
    if any(Identifier.parse(name) in sources for name in test.given):
        asked.execute(sql("CREATE SCHEMA IF NOT EXISTS {name}", name=QualifiedName((schema,))))
        asked.execute(sql("USE SCHEMA {name}", name=QualifiedName((spec.target.schema_,))))
    for name, given in test.given.items():
        table = Identifier.parse(name)
        declared: Mapping[str, DataType] = sources.get(table) or tables.get(table) or {}
        where = (schema, table) if table in sources else (table,)
        for statement in create_statements(QualifiedName(where), given, declared, folder):
            asked.execute(statement)


def _compared(asked: Asked, name: str, expected: ExpectedTable, folder: Path) -> Iterator[Failure]:
    table = QualifiedName((Identifier.parse(name),))
    if expected.count is not None:
        (row,) = asked.execute(sql("SELECT COUNT(*) AS N FROM {table}", table=table))
        if row["N"] != expected.count:
            text = f"{table} has {row['N']:,} rows; expected {expected.count:,}"
            yield Failure(text, Update(name, count=int(row["N"])))
    if expected.rows is None and expected.csv is None:
        return
    names, rows = _expected_rows(expected, folder)
    if not names:
        (row,) = asked.execute(sql("SELECT COUNT(*) AS N FROM {table}", table=table))
        if row["N"]:
            yield Failure(f"{table} has {row['N']:,} rows; expected none")
        return
    columns = {column: column_of(table, column) for column in names}
    known = [str(field["name"]) for field in _described(asked, table)]
    absent = [column for column in columns.values() if column.name not in known]
    if absent:
        hint = did_you_mean(absent[0].name, known) or f"it has {', '.join(known)}"
        yield Failure(f"{table} has no column {absent[0]}; {hint}")
        return
    order = join(", ", [column_of(table, column) for column in expected.ordered])
    query = sql("SELECT {columns} FROM {table}", columns=join(", ", columns.values()), table=table)
    if expected.ordered:
        query = sql("{query} ORDER BY {order}", query=query, order=order)
    actual = [
        dict(zip(names, (row[column.name] for column in columns.values()), strict=True))
        for row in asked.execute(query)
    ]
    wanted = picked(rows, names)
    found = differences(wanted, actual, expected.tolerance, ordered=bool(expected.ordered))
    if found:
        absent_rows = sum(item.actual is None for item in found)
        changed = sum(item.actual is not None and item.expected is not None for item in found)
        more = len(found) - absent_rows - changed
        counts = [(changed, "differ"), (absent_rows, "absent"), (more, "unexpected")]
        summary = ", ".join(f"{count:,} {what}" for count, what in counts if count)
        lines = shown(names, found, expected.tolerance)
        head = f"{table}: of {len(rows):,} expected rows and {len(actual):,} found: {summary}"
        update = Update(
            name,
            changes=() if expected.csv is not None else tuple(_changes(wanted, found, expected.tolerance)),
            csv=None if expected.csv is None else folder / expected.csv,
            names=tuple(names),
            rows=tuple(actual),
        )
        yield Failure("\n".join([head, *lines]), update)


def _changes(
    wanted: list[Row], found: list[Difference], tolerance: float
) -> Iterator[tuple[int | None, Row | None]]:
    """Yield the changes of the expected rows that differ, by their places."""
    places = {id(row): place for place, row in enumerate(wanted)}
    for item in found:
        if item.expected is None:
            yield None, item.actual
        elif item.actual is None:
            yield places[id(item.expected)], None
        else:
            before, after = item.expected, item.actual
            different = {k: v for k, v in after.items() if not equal(before[k], v, tolerance)}
            yield places[id(before)], different


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
