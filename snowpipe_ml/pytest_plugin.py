"""Pytest fixtures for any project that uses Snowpark: a fresh Session on an embedded warehouse.

Needs the extra ``local``; pytest discovers the plugin by its entry point. See ``docs/testing.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from snowpipe_ml import local, local_session

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini options ``snowpark_database`` and ``snowpark_schema``."""
    parser.addini("snowpark_database", "The current database of snowpark_session.", default="TEST")
    parser.addini("snowpark_schema", "The current schema of snowpark_session.", default="PUBLIC")


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
