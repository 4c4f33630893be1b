"""Model code that is staged for Snowflake functions. It imports no other part of this package."""
