"""Streamlit objects: applications that Snowflake runs. The embedded warehouse keeps them, and runs none.

https://docs.snowflake.com/en/sql-reference/sql/show-streamlits
"""

from __future__ import annotations

from snowpipe_ml.local.catalog.kind import CREATED, PLACE, Kept


class Streamlits(Kept):
    """Streamlit objects. Their options are stored as they were given."""

    word = "STREAMLIT"
    table = "STREAMLITS"
    shown = (
        CREATED,
        *PLACE,
        ("title", "VARCHAR", "json_extract_string(options, '$.TITLE')"),
        ("owner", "VARCHAR", "owner"),
        ("comment", "VARCHAR", "json_extract_string(options, '$.COMMENT')"),
        ("query_warehouse", "VARCHAR", "json_extract_string(options, '$.QUERY_WAREHOUSE')"),
        ("url_id", "VARCHAR", "url_id"),
        ("owner_role_type", "VARCHAR", "'ROLE'"),
    )
