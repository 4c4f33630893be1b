"""The charts of the pages, as Altair charts. They load nothing from elsewhere: a map has no tiles."""
