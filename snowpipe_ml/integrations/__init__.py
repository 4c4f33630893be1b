"""Runs told to other tools. Each is an extra of its own, and is imported when it is used."""
