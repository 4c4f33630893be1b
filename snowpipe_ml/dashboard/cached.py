"""The source and the results of queries, kept between the reruns of the application."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from snowpipe_ml.dashboard.data.source import Source, open_source
from snowpipe_ml.dashboard.inside import Runtime, connection_of
from snowpipe_ml.sql import Sql

if TYPE_CHECKING:
    import pandas as pd


def source_of(
    path: Path,
    target: str | None,
    variables: Mapping[str, object] | None = None,
    runtime: Runtime | None = None,
) -> Source:
    """Open a source, once for each version of its spec."""
    changed = path.stat().st_mtime_ns
    return _source(str(path), changed, target, dict(variables or {}), runtime)


@st.cache_resource(show_spinner=False, max_entries=4)
def _source(
    path: str, changed: int, target: str | None, variables: dict[str, object], runtime: Runtime | None
) -> Source:
    connect = None if runtime is None else partial(connection_of, runtime)
    return open_source(Path(path), target, variables, connect)


def frame(source: Source, statement: Sql) -> pd.DataFrame:
    """Run a query, or return its rows if nothing was recorded on the target since."""
    spec = source.spec
    return _frame(source, f"{spec.path}\n{spec.target_name}\n{_version(source)}", statement.text)


@st.cache_data(show_spinner=False, max_entries=300, ttl=3600)
def _frame(_source: Source, version: str, statement: str) -> pd.DataFrame:
    return _source.reader.frame(Sql(statement))


def _version(source: Source) -> str:
    return str(last_record(source))


def last_record(source: Source) -> str | None:
    """Return the last record on the target, asked for once per rerun of the application; None if there is none."""
    if "_version" not in st.session_state:
        st.session_state["_version"] = source.version()
    found: str | None = st.session_state["_version"]
    return found


def look_again() -> None:
    """Ask the target for its last record: called at the beginning of each rerun."""
    st.session_state.pop("_version", None)
