"""The target ``local`` says what is missing or in its way."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest

import snowpipe_ml
from snowpipe_ml.errors import MissingExtraError, TargetError


def test_without_its_extra_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "snowpipe_ml.targets.local.find_spec", lambda name: None if name == "duckdb" else find_spec(name)
    )
    with pytest.raises(MissingExtraError, match=r"snowpipe-ml\[local\]"):
        snowpipe_ml.local_session(tmp_path / "warehouse")


def test_a_compiled_parser_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``pip install sqlglotc``, perhaps for another tool, puts compiled modules beside sqlglot's own."""
    compiled = ModuleSpec("sqlglot.parser", None, origin="sqlglot/parser.cpython-311-x86_64-linux-gnu.so")
    monkeypatch.setattr(
        "snowpipe_ml.targets.local.find_spec",
        lambda name: compiled if name == "sqlglot.parser" else find_spec(name),
    )
    with pytest.raises(TargetError, match="pip uninstall sqlglotc"):
        snowpipe_ml.local_session(tmp_path / "warehouse")
