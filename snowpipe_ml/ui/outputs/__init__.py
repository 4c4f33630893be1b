"""The JSON that commands print with ``--json``, as models: what is printed, and its JSON Schema.

A key is never left out or renamed without a new minor version of the package; keys may be added.
"""
