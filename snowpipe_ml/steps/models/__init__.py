"""Steps that train, package, deploy and score tabular models."""
