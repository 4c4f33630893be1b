"""Snowflake's trees turned into DuckDB's."""
