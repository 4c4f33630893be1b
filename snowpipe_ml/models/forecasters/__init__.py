"""The built-in forecasters, one family per module."""
