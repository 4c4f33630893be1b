"""Helpers for text from files and for users: encodings, control characters, secrets, positions."""
