"""What an operator reads in the log about MCP servers: one line for each change, not for each attempt."""

import structlog

from agentkit.mcp import ServerStatus, Withheld

log = structlog.get_logger(__name__)


class McpLog:
    """Remembers what it has said of each server."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, str | None]] = {}
        self._left_out: dict[str, tuple[str, ...]] = {}

    def status(self, now: ServerStatus) -> None:
        """A server is connected, or lost, or out of reach for another reason than before."""
        before, self._said[now.name] = self._said.get(now.name), (now.state, now.error)
        if before == (now.state, now.error):
            return self._tools(now)
        if now.state == "connected":
            log.info("an MCP server is connected", server=now.name, tools=len(now.tools))
            return self._tools(now)
        log.warning(
            "an MCP server is not connected; it is tried again", server=now.name, why=now.error
        )
        return None

    def withheld(self, tool: Withheld) -> None:
        """A tool is not what was pinned."""
        log.warning(
            "an MCP tool has changed and is withheld",
            tool=tool.name,
            pinned=tool.pinned,
            found=tool.found,
        )

    def _tools(self, now: ServerStatus) -> None:
        """Tools that cannot be used, and what the operator wrote of tools that are not there."""
        if now.left_out and now.left_out != self._left_out.get(now.name):
            log.warning(
                "not all of an MCP server's entry fits it", server=now.name, why=now.left_out
            )
        self._left_out[now.name] = now.left_out
