"""MCP: the tools, resources and prompts of other people's servers."""

from agentkit.mcp.backoff import Backoff
from agentkit.mcp.client import IDEMPOTENCY_KEY, McpClient
from agentkit.mcp.reading import McpContent, McpPrompt, McpResource
from agentkit.mcp.result import McpResult
from agentkit.mcp.server import McpServer
from agentkit.mcp.status import OnStatus, ServerStatus, Withheld

__all__ = [
    "IDEMPOTENCY_KEY",
    "Backoff",
    "McpClient",
    "McpContent",
    "McpPrompt",
    "McpResource",
    "McpResult",
    "McpServer",
    "OnStatus",
    "ServerStatus",
    "Withheld",
]
