"""Steps that extract, load, transform and check data."""
