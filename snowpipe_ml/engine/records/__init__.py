"""What the target keeps of runs: the state store, its history, migrations and the lock."""
