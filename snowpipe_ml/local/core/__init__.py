"""The foundation of the embedded warehouse: types, names, errors, DuckDB connections, storage and sessions."""
