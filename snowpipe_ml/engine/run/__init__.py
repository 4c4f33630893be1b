"""Executing a plan: threads, sessions, retries, interrupts, hooks and events."""
