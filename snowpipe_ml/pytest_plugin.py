"""Pytest fixtures for any project that uses Snowpark: a fresh Session on an embedded warehouse. And the unit
tests of specs as items of pytest.

Needs the extra ``local``; pytest discovers the plugin by its entry point. See ``docs/testing.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from snowpipe_ml import local, local_session
from snowpipe_ml.unit_tests.runner import run_test
from snowpipe_ml.unit_tests.suite import FoundTest, find_tests

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini options ``snowpark_database``, ``snowpark_schema`` and ``snowpipe_specs``."""
    parser.addini("snowpipe_specs", "Specs whose unit tests are collected, such as pipelines/*.yaml.", "args")
    parser.addini("snowpark_database", "The current database of snowpark_session.", default="TEST")
    parser.addini("snowpark_schema", "The current schema of snowpark_session.", default="PUBLIC")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the unit tests of a spec that ``snowpipe_specs`` names."""
    patterns = parent.config.getini("snowpipe_specs")
    if not any(file_path.match(pattern) for pattern in patterns) or file_path.stem.endswith(".tests"):
        return None
    return SpecFile.from_parent(parent, path=file_path)


class SpecFile(pytest.File):
    """A spec with unit tests; one without any has no items."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for each test of the spec and of the file beside it."""
        for found in find_tests(self.path, required=False):
            yield SpecItem.from_parent(self, name=found.name, found=found)


class SpecItem(pytest.Item):
    """A unit test of a spec."""

    def __init__(self, *, found: FoundTest, **named: Any) -> None:
        super().__init__(**named)
        self.found = found

    def runtest(self) -> None:
        """Run the test on a new embedded warehouse."""
        result = run_test(self.path, self.found.name, self.found.test, self.found.place, None)
        if not result.ok:
            raise SpecTestFailure("\n".join(result.failures))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what differs without a traceback."""
        if isinstance(excinfo.value, SpecTestFailure):
            return f"{self.found.place}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the place and the name of the test."""
        file, _, line = self.found.place.rpartition(":")
        return Path(file), int(line) - 1, self.name


class SpecTestFailure(Exception):
    """A unit test whose tables differ from the expected ones."""


@pytest.fixture(scope="session")
def snowpark_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The warehouse folder of this test run; it stays open so that sessions open in milliseconds."""
    folder = tmp_path_factory.mktemp("warehouse")
    holder = local.connect(folder, share=False)
    yield folder
    holder.close()


@pytest.fixture
def snowpark_session(snowpark_warehouse: Path, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A Snowpark Session on a fresh database, which is dropped after the test."""
    name, schema = request.config.getini("snowpark_database"), request.config.getini("snowpark_schema")
    session = local_session(snowpark_warehouse, name, schema, share=False)
    session.sql(f"CREATE OR REPLACE DATABASE {name}").collect()
    session.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}").collect()
    yield session
    session.sql(f"DROP DATABASE IF EXISTS {name}").collect()
    session.close()


@pytest.fixture
def snowpark_load(snowpark_session: Session) -> Callable[[str, Any], None]:
    """``snowpark_load("TRIPS", rows)``: create a table from a list of dicts or a pandas DataFrame."""

    def load(table: str, rows: Any) -> None:
        data = [tuple(row.values()) for row in rows] if isinstance(rows, list) else rows
        columns = list(rows[0]) if isinstance(rows, list) else None
        frame = (
            snowpark_session.create_dataframe(data, schema=columns)
            if columns
            else snowpark_session.create_dataframe(data)
        )
        frame.write.save_as_table(table, mode="overwrite")

    return load
