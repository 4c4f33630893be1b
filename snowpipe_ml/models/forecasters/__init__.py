"""The built-in forecasters; each module holds one family."""
