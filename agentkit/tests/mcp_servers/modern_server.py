"""An MCP server over HTTP, on the port that is its argument; `wait` says in a file that it has begun."""

import asyncio
import os
import sys
from pathlib import Path

from mcp.server import MCPServer

app = MCPServer("shop")


def begin() -> None:
    Path(os.environ["BEGAN"]).touch()


@app.tool()
async def wait() -> str:
    """Never end."""
    begin()
    await asyncio.Event().wait()
    return "never"


@app.tool()
async def buy() -> str:
    """Buy."""
    return "bought"


if __name__ == "__main__":
    app.run("streamable-http", port=int(sys.argv[1]))
