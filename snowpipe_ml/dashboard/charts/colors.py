"""The colours of the charts. Each is at least 4.5 to 1 on white."""

INK = "#1f5fa8"
GREY = "#6b7280"
ORANGE = "#b45309"
GREEN = "#047857"
RED = "#b91c1c"
MANY = (INK, ORANGE, GREEN, "#7c3aed", "#be185d", "#0e7490", "#4d7c0f", "#6b7280")
"""Colours of lines that are told apart by them."""
