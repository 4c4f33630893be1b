"""Step types that follow the changes of tables."""
