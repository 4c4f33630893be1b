"""Output for users: the checklist of a run, tables, JSON lines and the HTML report."""
