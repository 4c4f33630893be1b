"""Compare the tables of a pipeline on two targets: `diff-data`."""
