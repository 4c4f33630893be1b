"""Files on stages: formats, reading, loading, schema detection."""
