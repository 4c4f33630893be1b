"""Integrations that report runs to other tools. Each has its own extra and is imported only when used."""
