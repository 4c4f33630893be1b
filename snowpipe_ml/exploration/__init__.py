"""Exploration of a table of events or measurements before any model: what `explore` and `try` compute."""
