"""Tabular models: AutoML training, the model archive, and serving."""
