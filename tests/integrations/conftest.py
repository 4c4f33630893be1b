from __future__ import annotations

from pathlib import Path

import pytest

from tests import forked
from tests.integrations.orders import DATE, Found, copy_of_example, environment, found


@pytest.fixture(scope="session")
def by_command(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What the command line leaves of the example."""
    spec = copy_of_example(tmp_path_factory.mktemp("command") / "orders")
    done = forked.command("run", spec, "--run-date", DATE, env=environment(spec), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("does not answer; again in") == 2
    return found(spec)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A copy of the example's spec."""
    return copy_of_example(tmp_path / "orders")
