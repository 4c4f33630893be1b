from __future__ import annotations

from pathlib import Path

import pytest

from tests.steps.test_forecasting import spec


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the forecasting pipeline, as it is without changes, after a run."""
    folder = tmp_path_factory.mktemp("trained")
    result = spec(folder).run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    return folder
