"""Helpers for text that is read from files or shown to users: encodings, control characters, secrets, positions."""
