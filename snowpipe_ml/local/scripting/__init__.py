"""Snowflake Scripting: blocks are read to a tree and interpreted; each statement runs in the caller's session."""
