"""The targets that a pipeline runs on; each module opens Sessions on one kind."""
