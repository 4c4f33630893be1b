"""Steps that draw plots, and the charts of the report."""
