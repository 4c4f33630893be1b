"""Reading Snowflake's SQL: tokens, sqlglot trees and scripts."""
