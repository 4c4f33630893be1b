"""Processes of an embedded warehouse that are killed at random moments: see benchmarks/process_kills.py."""
