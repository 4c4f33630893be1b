"""The handlers of SQL statements, one module for each kind of object."""
