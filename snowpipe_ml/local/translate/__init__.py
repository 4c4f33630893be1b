"""Translate sqlglot trees of Snowflake statements to DuckDB."""
