"""The foundation of the embedded warehouse: types, names, errors, DuckDB, storage and sessions."""
