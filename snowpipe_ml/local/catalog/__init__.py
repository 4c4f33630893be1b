"""The catalog of the warehouse: objects, columns, stages, streams, tags, and their metadata."""
