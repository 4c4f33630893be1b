"""Records of what a target answers to the statements of a pipeline: metadata and errors, and no values."""
