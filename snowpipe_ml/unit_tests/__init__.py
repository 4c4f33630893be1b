"""Unit tests of pipelines: steps that run on an embedded warehouse which holds only what a test gives."""
