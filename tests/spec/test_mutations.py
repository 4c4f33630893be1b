"""A spec with one mistake is refused at the right position, and never with a traceback.

``benchmarks/fuzz.py`` checks ten thousand such specs.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snowpipe_ml.spec.document import parse_document
from tests.conftest import CITIBIKE, ROOT
from tests.spec.mutations import check, dump, mutate

SPECS = (CITIBIKE, ROOT / "pipelines" / "insurance_autogluon.yaml")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Any]]:
    found = []
    for path in SPECS:
        folder = tmp_path_factory.mktemp(path.stem)
        for name in ("citibike", "insurance"):
            shutil.copytree(ROOT / "pipelines" / name, folder / name)
        shutil.copy(ROOT / "pipelines" / "insurance_autogluon.lock.yaml", folder / "spec.lock.yaml")
        found.append((folder, parse_document(path.read_text(encoding="utf-8")).value))
    return found


def test_what_is_written_is_what_was_read(bases: Any) -> None:
    for _, value in bases:
        assert parse_document(dump(value)).value == value


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.stress)])
def test_a_mutant_is_refused_where_it_is_wrong(bases: Any, count: int) -> None:
    @settings(max_examples=count, derandomize=True)
    @given(seed=st.integers(0, 2**32), which=st.integers(0, len(SPECS) - 1))
    def refused(seed: int, which: int) -> None:
        folder, value = bases[which]
        mutant = mutate(value, seed)
        assert check(mutant, folder) == [], (mutant.path, mutant.what)

    refused()
