"""Weights of Chronos that a user uploads, in a separate environment: transformers brings a dozen packages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from snowpipe_ml.steps.declared.wheels import fetch_wheels
from tests.conftest import ROOT
from tests.integrations.environments import python_of
from tests.integrations.orders import last_line

pytestmark = pytest.mark.integrations
RUN = Path(__file__).with_name("chronos_run.py")


def test_uploaded_weights_forecast_as_the_library_does(tmp_path: Path) -> None:
    (wheel,) = fetch_wheels(["chronos-forecasting==2.3.2"], tmp_path)
    done = subprocess.run(
        [python_of("pretrained"), RUN, tmp_path, wheel],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = last_line(done.stdout)
    assert set(found) == {"bolt", "chronos2"}
    for name, both in found.items():
        assert len(both["pipeline"]) == 14, name
        assert both["pipeline"] == pytest.approx(both["library"], rel=1e-4), name
