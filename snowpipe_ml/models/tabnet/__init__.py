"""TabNet for many series at once, trained as one stacked computation."""
