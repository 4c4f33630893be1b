"""Hostile source files, made from a seed: each is loaded right, or refused by its name and line."""
