"""The Snowflake functions that the embedded warehouse supports, by family."""
