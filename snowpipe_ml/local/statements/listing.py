"""The results of SHOW statements: Snowflake's columns in order, with constants for what does not exist here.

The columns are those that the documentation of each statement lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from snowpipe_ml.local.core.result import Result, rows

STAMP = "TIMESTAMP WITH TIME ZONE"
OWNER = "SYSADMIN"
TERSE = ("created_on", "name", "kind", "database_name", "schema_name")
_KINDS = {
    "created_on": STAMP,
    "resumed_on": STAMP,
    "updated_on": STAMP,
    "stale_after": STAMP,
    "started_on": STAMP,
    **dict.fromkeys(
        (
            "rows",
            "bytes",
            "auto_suspend",
            "min_cluster_count",
            "max_cluster_count",
            "started_clusters",
            "running",
            "queued",
            "query_acceleration_max_scale_factor",
            "key_sequence",
            "next_value",
            "interval",
            "assigned_to_users",
            "granted_to_roles",
            "granted_roles",
            "id",
            "session",
            "scope",
        ),
        "BIGINT",
    ),
}


def listing(
    columns: Mapping[str, object], found: Sequence[Mapping[str, object]], *, terse: bool = False
) -> Result:
    """Make the result of a SHOW.

    Args:
        columns: the names of the columns in order, each with the value for objects that have none.
        found: the values of each object by column.
        terse: whether the statement is SHOW TERSE.
    """
    names = TERSE if terse else tuple(columns)
    values = [tuple(each.get(name, columns.get(name)) for name in names) for each in found]
    return rows([(name, _KINDS.get(name, "VARCHAR")) for name in names], values)
