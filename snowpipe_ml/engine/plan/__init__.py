"""What a run will do: the graph, fingerprints, versions, selection and decisions."""
