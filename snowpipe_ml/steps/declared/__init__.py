"""The declared objects of a spec as nodes of the graph."""
