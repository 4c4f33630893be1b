"""Python functions of the embedded warehouse: their DDL, packages, and the workers that run them."""
