"""Pipelines as graphs of Snowflake's tasks, which need no process outside of Snowflake."""
