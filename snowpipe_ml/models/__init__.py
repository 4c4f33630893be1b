"""Model code that is shipped into Snowflake functions. It imports nothing else of this package."""
