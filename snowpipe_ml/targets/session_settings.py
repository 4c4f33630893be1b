"""The settings of the Sessions that the engine opens, the same on every target.

An account, a user or a connection can have other defaults, with which the same SQL gives other results: another
time zone, dates read as DD/MM/YYYY, transactions that nobody commits. A run must not depend on them.
"""

from __future__ import annotations

from snowpipe_ml.plugins.target import Target

# Snowflake's own defaults, except for ABORT_DETACHED_QUERY: https://docs.snowflake.com/en/sql-reference/parameters
_PINNED: dict[str, bool | int | str] = {
    # By default, a statement of a client that was killed runs on, and may publish after a resumed run has read.
    "ABORT_DETACHED_QUERY": True,
    "AUTOCOMMIT": True,
    "BINARY_INPUT_FORMAT": "HEX",
    "BINARY_OUTPUT_FORMAT": "HEX",
    "DATE_INPUT_FORMAT": "AUTO",
    "DATE_OUTPUT_FORMAT": "YYYY-MM-DD",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
    "TIMESTAMP_DAY_IS_ALWAYS_24H": False,
    "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "TIMESTAMP_LTZ_OUTPUT_FORMAT": "",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF3",
    "TIMESTAMP_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "TIMESTAMP_TZ_OUTPUT_FORMAT": "",
    "TIME_INPUT_FORMAT": "AUTO",
    "TIME_OUTPUT_FORMAT": "HH24:MI:SS",
    "TWO_DIGIT_CENTURY_START": 1970,
    "WEEK_OF_YEAR_POLICY": 0,
}


def session_settings(target: Target) -> dict[str, bool | int | str]:
    """Return the session parameters of a target, by name."""
    return {**_PINNED, "TIMEZONE": target.timezone, "WEEK_START": target.week_start}
