"""From a spec to a run: graph, plan, run, state, events."""
