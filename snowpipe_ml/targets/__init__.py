"""Where a pipeline runs: each module gives Sessions."""
