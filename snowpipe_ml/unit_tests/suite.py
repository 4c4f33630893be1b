"""The unit tests of a spec: where they are written, and how several run at once."""

from __future__ import annotations

import fnmatch
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import pydantic

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import SpecError, UsageError
from snowpipe_ml.spec.document import Document, read_document
from snowpipe_ml.spec.loader import problems_of
from snowpipe_ml.spec.tests import TestFile, UnitTest
from snowpipe_ml.unit_tests.against import run_against
from snowpipe_ml.unit_tests.runner import TestResult, run_test

_PRELOADED = ["snowflake.snowpark", "pandas", "duckdb", "snowpipe_ml.unit_tests.runner"]


@dataclass(frozen=True)
class FoundTest:
    """A test with its file and line."""

    name: str
    place: str
    test: UnitTest


def tests_file(spec: Path) -> Path:
    """Return the file with further tests beside a spec: ``pipeline.tests.yaml`` of ``pipeline.yaml``."""
    return spec.with_name(f"{spec.stem}.tests.yaml")


def find_tests(
    spec: Path, select: Iterable[str] = (), target: str | None = None, *, required: bool = True
) -> list[FoundTest]:
    """Return the tests of a spec and of the file beside it.

    Args:
        spec: the spec.
        select: names of tests, with ``*`` and ``?``; or ``step:NAME``, the tests of a step. All if empty.
        target: the target of the spec whose values are used.
        required: raise an error if there are no tests.

    Raises:
        SpecError: the spec or a test is invalid.
        UsageError: there are no tests, a name matches none, or two tests have one name.
    """
    loaded, _, _ = Pipeline.from_yaml(spec).load(target)
    found = list(_placed(loaded.document.file, loaded.pipeline.tests, loaded.document))
    beside = tests_file(spec)
    if beside.is_file():
        document = read_document(beside)
        try:
            tests = TestFile.model_validate(document.value).tests
        except pydantic.ValidationError as error:
            raise SpecError(list(problems_of(document, error))) from error
        found += _placed(str(beside), tests, document)
    names = [test.name for test in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"two tests are named {twice!r}: " + " and ".join(t.place for t in found if t.name == twice)
        )
    if not found and required:
        raise UsageError(f"{spec} has no tests: write them under `tests` or in {beside.name}")
    chosen = [test for test in found if _selected(test, list(select))]
    if found and not chosen:
        raise UsageError(f"no test matches {' '.join(select)}; there are: {', '.join(names)}")
    return chosen


def _placed(file: object, tests: Mapping[str, UnitTest], document: Document) -> Iterator[FoundTest]:
    for name, test in tests.items():
        line = document.position(("tests", name), key=True).line
        yield FoundTest(name, f"{file}:{line}", test)


def _selected(found: FoundTest, select: list[str]) -> bool:
    return not select or any(
        term.removeprefix("step:") in found.test.step
        if term.startswith("step:")
        else fnmatch.fnmatchcase(found.name, term)
        for term in select
    )


def run_tests_against(spec: Path, tests: Iterable[FoundTest], target: str) -> Iterator[TestResult]:
    """Run tests on the embedded warehouse and in a throw-away schema of a target, one after the other.

    Raises:
        UsageError: a test gives the time: that of an account is its own.
    """
    tests = list(tests)
    timed = [found.name for found in tests if found.test.now is not None]
    if timed:
        raise UsageError(
            f"these tests give the time with `now`, which no account can be given: {', '.join(timed)}; "
            "leave them out with --select"
        )
    for found in tests:
        yield run_against(spec, found.name, found.test, found.place, target)


def run_tests(
    spec: Path, tests: Iterable[FoundTest], target: str | None = None, workers: int | None = None
) -> Iterator[TestResult]:
    """Run tests, each on a new embedded warehouse, and yield their results as they end.

    Args:
        spec: the spec.
        tests: the tests.
        target: the target of the spec whose values are used.
        workers: how many run at once, each in a process; as many as there are processors if None.
    """
    tests = list(tests)
    workers = min(workers or os.cpu_count() or 1, len(tests))
    if workers <= 1:
        for found in tests:
            yield run_test(spec, found.name, found.test, found.place, target)
        return
    context = multiprocessing.get_context("forkserver")  # its children find the libraries imported
    context.set_forkserver_preload(_PRELOADED)
    with ProcessPoolExecutor(workers, context) as pool:
        pending = [
            pool.submit(run_test, spec, found.name, found.test, found.place, target) for found in tests
        ]
        for done in as_completed(pending):
            yield done.result()
