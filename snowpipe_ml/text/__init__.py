"""Text that is read from files or shown to people: encodings, control characters, secrets, positions."""
