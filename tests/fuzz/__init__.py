"""Random SQL and random files against the embedded warehouse, from a seed: ``make fuzz``."""
