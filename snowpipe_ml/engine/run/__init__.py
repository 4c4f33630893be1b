"""Execution of a plan: threads, sessions, retries, interrupts, hooks and events."""
