"""The statements: one module for each kind of object."""
