"""Connections and cursors for clients in this process and in other processes."""
