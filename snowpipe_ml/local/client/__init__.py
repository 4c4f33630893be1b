"""What a client holds: connections and cursors, in this process and from another."""
