"""What the whole embedded warehouse stands on: types, names, errors, DuckDB, the warehouse and its sessions."""
