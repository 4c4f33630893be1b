"""Faults of the file system: the n-th change of a file fails, and the warehouse must not lose a statement."""
