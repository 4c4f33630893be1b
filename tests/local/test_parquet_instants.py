"""Instants in Parquet files, such as aware times of pandas, into columns of all types.

Without USE_LOGICAL_TYPE such a value is a number since 1970 in UTC.
https://docs.snowflake.com/en/sql-reference/sql/create-file-format
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

_TIMES = pd.DataFrame({"T": pd.to_datetime(["2024-07-01 12:00:00"]).tz_localize("Europe/Berlin")})


@pytest.mark.filterwarnings("ignore:Dataframe contains a datetime with timezone")
@pytest.mark.parametrize(
    ("kind", "logical", "expected"),
    [
        ("TIMESTAMP_NTZ", None, "2024-07-01 10:00:00.000"),
        ("TIMESTAMP_NTZ", False, "2024-07-01 10:00:00.000"),
        ("DATE", None, "2024-07-01"),
        ("TIME", None, "10:00:00"),
        ("TIMESTAMP_LTZ", None, "2024-07-01 06:00:00.000 -0400"),
        ("TIMESTAMP_LTZ", True, "2024-07-01 06:00:00.000 -0400"),
        ("TIMESTAMP_TZ", True, "2024-07-01 06:00:00.000 -0400"),
    ],
)
def test_write_pandas(session: Any, query: Any, kind: str, logical: bool | None, expected: str) -> None:
    query("ALTER SESSION SET TIMEZONE = 'America/New_York'")
    query(f"CREATE TABLE times (t {kind})")
    session.write_pandas(_TIMES, "TIMES", use_logical_type=logical)
    assert query("SELECT t::VARCHAR FROM times") == [(expected,)]
    query("ALTER SESSION UNSET TIMEZONE")


@pytest.mark.filterwarnings("ignore:Dataframe contains a datetime with timezone")
def test_inferred_columns(session: Any, query: Any) -> None:
    query("ALTER SESSION SET TIMEZONE = 'America/New_York'")
    session.write_pandas(_TIMES, "TIMES", auto_create_table=True)
    assert query("SELECT t::VARCHAR FROM times") == [("2024-07-01 10:00:00.000",)]
    query("ALTER SESSION UNSET TIMEZONE")
