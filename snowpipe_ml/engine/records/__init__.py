"""The run metadata on the target: the state store, its history, its migrations and the lock."""
