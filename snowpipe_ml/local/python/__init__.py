"""Python functions of the embedded warehouse: definitions, packages and the workers that run them."""
