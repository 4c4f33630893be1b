"""The colours of the charts. Each is at least 4 to 1 on white and on the dark background of Streamlit."""

INK = "#2a78d0"
GREY = "#7a808c"
ORANGE = "#cc5f10"
GREEN = "#0a8a64"
RED = "#dc3f3f"
LIGHT = "#8db8e8"
"""For areas behind lines in INK."""
RAISES, LOWERS = GREEN, "#d6457f"
"""Colours of the two directions of a change. No line is drawn in them beside it."""
MANY = (INK, ORANGE, GREEN, "#9061f0", "#d6457f", "#138aa8", "#5c8a16", GREY)
"""Colours of lines that are told apart by them."""
