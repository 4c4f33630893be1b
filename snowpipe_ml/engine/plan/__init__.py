"""Planning of a run: the graph, fingerprints, versions, selection and decisions."""
