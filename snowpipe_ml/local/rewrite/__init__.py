"""Rewrites of Snowflake's SQL, on sqlglot's tree, so that DuckDB gives Snowflake's answer.

One rule a function, each with the statement it serves, applied in the order of ``RULES``.
"""
