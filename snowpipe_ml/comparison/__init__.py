"""Compare a pipeline at two commits: `compare`."""
