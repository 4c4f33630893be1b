"""Parse Snowflake SQL: tokens, sqlglot trees and scripts."""
