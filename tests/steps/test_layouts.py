"""Staged members: also where isal cannot be imported, as in a procedure on Snowflake."""

from __future__ import annotations

import gzip
import importlib.util
import io
import sys
from pathlib import Path

import pytest

from snowpipe_ml.steps.data import layouts


@pytest.mark.parametrize("fast", [True, False])
def test_a_member_is_staged_with_and_without_isal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    module = layouts
    if not fast:
        monkeypatch.setitem(sys.modules, "isal.igzip", None)
        found = importlib.util.spec_from_file_location("layouts_without_isal", str(layouts.__file__))
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        assert module.GzipFile is gzip.GzipFile
    layout, path = module.write_member(
        io.BytesIO(b"A,B\n1,2\n"), {"all": ["a", "b"]}, "m.csv", tmp_path, "m.csv.gz"
    )
    assert layout == "all"
    assert gzip.decompress(path.read_bytes()) == b"A,B\n1,2\n"
