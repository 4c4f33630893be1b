"""A server of the Model Context Protocol, with the extra ``mcp``: pipelines as tools of editors and agents.

https://modelcontextprotocol.io
"""
