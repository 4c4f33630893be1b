"""The engine: it builds the graph of a spec, plans it, runs it and records the run."""
