"""What people see: the terminal's checklist and tables."""
