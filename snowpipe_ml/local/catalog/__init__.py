"""What the warehouse keeps: objects, columns, stages, streams, tags, and their metadata."""
