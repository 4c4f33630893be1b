"""The functions of Snowflake that the embedded warehouse serves, by family."""
