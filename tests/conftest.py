from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import snowpipe_ml
from tests.trips import write_months, write_weather

# The speed of an example depends on the machine, and the first one imports the connector.
settings.register_profile("no clocks", deadline=None)
settings.load_profile("no clocks")

ROOT = Path(__file__).parents[1]
CITIBIKE = ROOT / "pipelines" / "citibike.yaml"
REAL = ROOT.parent / "shared" / "data"

# For `make test`, which uses several processes: start the slowest files first, and keep tests that share
# expensive fixtures in one process.
LONGEST = ("test_kills.py", "test_insurance.py", "test_citibike.py", "test_redaction.py", "test_examples.py")
TOGETHER = (
    "test_insurance.py",
    "test_citibike.py",
    "test_examples.py",
    "test_server.py",
    "test_mutations.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture
def session() -> Iterator[Any]:
    """A Snowpark Session on a fresh embedded warehouse."""
    session = snowpipe_ml.local_session()
    yield session
    session.close()


@pytest.fixture
def query(session: Any) -> Callable[[str], list[tuple[Any, ...]]]:
    """Run a statement and return its rows as tuples."""

    def run(text: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in session.sql(text).collect()]

    return run


@pytest.fixture
def months(tmp_path: Path) -> Path:
    """A folder with a few small monthly archives of both layouts."""
    folder = tmp_path / "months"
    write_months(folder, ["2020-12", "2021-01", "2021-02", "2021-03"])
    return folder


@pytest.fixture
def weather(tmp_path: Path) -> Path:
    """A weather file that covers those months."""
    path = tmp_path / "weather.csv"
    write_weather(path)
    return path


def write_spec(folder: Path, text: str) -> Path:
    """Write a spec, with the head that every spec needs."""
    folder.mkdir(exist_ok=True)
    path = folder / "spec.yaml"
    head = "name: demo\ntargets:\n  local: {type: local, path: warehouse, database: DEMO}\n"
    path.write_text(head + text)
    return path


def ask(pipeline: snowpipe_ml.Pipeline, text: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on a pipeline's target."""
    session = pipeline.session()
    try:
        return [tuple(row) for row in session.sql(text).collect()]
    finally:
        session.close()
