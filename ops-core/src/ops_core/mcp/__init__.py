"""The MCP door: what `Services` can do, as tools that a model may call.

The SDK is imported by the first request, so a process whose door nobody uses never loads it.
"""
