"""Run tests on the embedded warehouse and in a throw-away schema of a target, and show where the two differ."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from snowpipe_ml.plugins.connection import Asked
from snowpipe_ml.spec.tests import Row, UnitTest
from snowpipe_ml.sql import Identifier, QualifiedName, sql
from snowpipe_ml.unit_tests.compare import differences, picked, shown
from snowpipe_ml.unit_tests.isolated import Isolated, SchemaOfTest
from snowpipe_ml.unit_tests.runner import Outcome, TestResult, reported, run_in, run_locally

_TOLERANCE = 1e-9


def run_against(spec: Path, name: str, test: UnitTest, place: str, target: str) -> TestResult:
    """Run a test in both places.

    Args:
        spec: the spec.
        name: the name of the test.
        test: the test.
        place: its file and line.
        target: the target of the spec.
    """
    began = time.monotonic()
    here = reported(lambda: run_locally(spec, test, target))
    there = reported(lambda: _run_on_target(spec, test, target))
    failures = tuple(_differences(here, there, target))
    return TestResult(name, place, time.monotonic() - began, failures)


def _run_on_target(spec: Path, test: UnitTest, target: str) -> Outcome:
    place = SchemaOfTest()
    pipeline = Isolated(spec, test.vars, place, test.given)
    loaded, graph, _ = pipeline.load(target)
    with closing(loaded.target.connect(pipeline.base_dir, None)) as connection:
        asked = Asked(connection)
        try:
            return run_in(pipeline, loaded, graph, place, test, connection)
        finally:
            for schema in (place.schema, place.given):
                whole = QualifiedName((_database(loaded.target.database), schema))
                asked.execute(sql("DROP SCHEMA IF EXISTS {name}", name=whole))


def _database(name: object) -> Identifier:
    assert isinstance(name, Identifier)
    return name


def _differences(here: Outcome, there: Outcome, target: str) -> Iterator[str]:
    """Yield what differs between the places, and where both fail alike, the failure."""
    first, second = ({failure.text for failure in each.failures} for each in (here, there))
    for text in sorted(first - second):
        yield f"on the embedded warehouse: {text}"
    for text in sorted(second - first):
        yield f"on {target}: {text}"
    for text in sorted(first & second):
        yield f"in both places: {text}"
    for table, rows in here.tables.items():
        if table in there.tables:
            yield from _rows_differ(table, rows, there.tables[table], target)


def _rows_differ(table: str, here: Sequence[Row], there: Sequence[Row], target: str) -> Iterator[str]:
    names, others = _names(here), _names(there)
    if here and there and names != others:
        yield f"{table}: columns {', '.join(names)} on the embedded warehouse, {', '.join(others)} on {target}"
        return
    names = names or others
    found = differences(picked(here, names), picked(there, names), _TOLERANCE, ordered=False)
    if found:
        head = f"{table}: {len(found):,} rows differ; - is the embedded warehouse, + is {target}"
        yield "\n".join([head, *shown(names, found, _TOLERANCE)])


def _names(rows: Sequence[Mapping[str, object]]) -> list[str]:
    return list(rows[0]) if rows else []
