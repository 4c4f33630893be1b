"""Tabular models: training with AutoML, the saved archive, and serving it."""
