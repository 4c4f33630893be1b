from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import snowpipe_ml
from snowpipe_ml.local import connect
from snowpipe_ml.local.python import registry
from tests.fork_servers import ForkServers
from tests.trips import write_months, write_weather

# The speed of an example depends on the machine, and the first one imports the connector.
settings.register_profile("no clocks", deadline=None)
settings.load_profile("no clocks")

ROOT = Path(__file__).parents[1]
CITIBIKE = ROOT / "pipelines" / "citibike.yaml"
REAL = ROOT.parent / "shared" / "data"

# `make test` gives each file to one of its processes: start with the files that take longest, so that none of
# them is left for the end. By CPU time, from 40 seconds to 8.
LONGEST = (
    "test_cases.py",
    "test_citibike.py",
    "test_merge.py",
    "test_streams.py",
    "test_forecasters.py",
    "test_insurance.py",
    "test_downloads.py",
    "test_run_step.py",
    "test_frequency.py",
    "test_cancel.py",
    "test_gate.py",
    "test_extract_and_load.py",
    "test_host_access.py",
    "test_forecasting.py",
    "test_number_types.py",
    "test_unit_tests.py",
    "test_silent_values.py",
    "test_tabnet_stack.py",
    "test_python.py",
    "test_doctor.py",
    "test_odd_numbers.py",
    "test_incremental.py",
    "test_udtf.py",
    "test_periods.py",
    "test_explore.py",
    "test_copy_options.py",
    "test_nothing_is_lost.py",
    "test_pages.py",
    "test_models.py",
    "test_report_in_browser.py",
    "test_plots.py",
    "test_table_changes.py",
    "test_hostile.py",
    "test_extensions.py",
    "test_bounded.py",
    "test_rows_aside.py",
    "test_report.py",
    "test_golden_scenarios.py",
    "test_examples.py",
    "test_decisions.py",
    "test_sandbox.py",
    "test_bombs.py",
    "test_resume.py",
    "test_own_catalog.py",
    "test_features.py",
    "test_every_statement.py",
    "test_managed.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-golden", action="store_true", help="write the files of tests/golden again")


@pytest.fixture(scope="session")
def golden(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Compare a text with a file of tests/golden."""
    write = bool(pytestconfig.getoption("--write-golden"))

    def compare(name: str, text: str) -> None:
        path = ROOT / "tests" / "golden" / name
        if write:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), (
            f"read the difference against the documentation, then write {name} again with --write-golden"
        )

    return compare


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument and not by their content.

    Archives hold the time at which they were made. The processes of `make test` must find the same names.
    """
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_collection_finish() -> None:
    """Let the garbage collector skip what the collection has imported, which takes a twentieth of the tests' time."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let it see everything again, since DuckDB's bindings look for leaks at the end of the process."""
    gc.unfreeze()


class SharedWarehouse:
    """An embedded warehouse that the tests of a process use one after another, each with its own database.

    A new database costs a fifth of a new warehouse, and a test that has changed nothing leaves its database to
    the next one. A test that leaves anything outside its database, such as a second database, a role, a stream
    or a worker of a function, gets the warehouse closed behind it, and the next test starts on a new one.
    """

    def __init__(self, make_folder: Callable[[], Path]) -> None:
        self._make_folder = make_folder
        self._holder: Any = None
        self._before: Any = None

    def open(self) -> Any:
        """Return a Session whose current database is a new one named LOCAL."""
        if self._holder is None:
            self._holder = connect(self._make_folder(), share=False)
        session = snowpipe_ml.local_session(self._holder.storage.path, share=False)
        self._before = self._state()
        return session

    def _state(self) -> Any:
        """Return a value that differs after each change: the count of commits, and the staged files."""
        storage = self._holder.storage
        return storage.root.commits.count, sorted((storage.path / "stages").rglob("*"))

    def clear(self) -> None:
        """Drop what the last test created."""
        if self._state() == self._before:
            return
        storage = self._holder.storage
        untouched = storage.databases() == ["LOCAL"] and not (
            storage.functions is not None
            or storage.has_streams
            or storage.owners
            or storage.checkpoints._invalid
            or storage._users > 1
            or any(_rows_of_the_account(storage))
        )
        if untouched:
            storage.drop_database("LOCAL")
        else:
            self.close()

    def close(self) -> None:
        """Close the warehouse."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None


def _rows_of_the_account(storage: Any) -> list[tuple[Any, ...]]:
    """The warehouses, roles and grants."""
    tables = storage.root.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = '_ACCOUNT' AND table_name <> 'VERSION'"
    ).fetchall()
    rows: list[tuple[Any, ...]] = []
    for schema, table in tables:
        rows += storage.root.execute(f'SELECT * FROM _ACCOUNT."{schema}"."{table}" LIMIT 1').fetchall()
    return rows


@pytest.fixture(scope="session", autouse=True)
def fork_servers() -> Iterator[ForkServers]:
    """Keep the processes that fork workers: see tests/fork_servers.py."""
    servers = ForkServers()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ForkServer", servers.lend)
        yield servers
    servers.close()


@pytest.fixture(scope="module")
def torch_in_workers(fork_servers: ForkServers) -> Iterator[None]:
    """Let the workers of a module's functions find PyTorch imported, which takes each two seconds."""
    fork_servers.more = ("torch",)
    yield
    fork_servers.more = ()


@pytest.fixture(scope="session")
def shared_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedWarehouse]:
    """The warehouse behind the fixture ``session``."""
    warehouse = SharedWarehouse(lambda: tmp_path_factory.mktemp("shared") / "warehouse")
    yield warehouse
    warehouse.close()


@pytest.fixture
def session(shared_warehouse: SharedWarehouse) -> Iterator[Any]:
    """A Snowpark Session on an empty database of the embedded warehouse."""
    session = shared_warehouse.open()
    yield session
    session.close()
    shared_warehouse.clear()


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
