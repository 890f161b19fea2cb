"""How one MCP server is reached, and what it may do here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, TypeAlias

from agentkit.errors import UsageError
from agentkit.messages import Effect
from agentkit.tools.tool import DEFAULT_MAX_OUTPUT

Transport: TypeAlias = Literal["stdio", "http", "memory"]

_NAME = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9-]|_(?!_|$)){0,31}")
"""No double underscore and none at the end: `server__tool` must be readable in one way only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """A server, by exactly one of `command` (stdio), `url` (streamable HTTP) and `app`.

    `app` is an `mcp.server.MCPServer` in this process. `env` is what a command gets beyond PATH,
    HOME and the few others that the SDK takes for harmless: nothing else of ours is inherited.

    `effect` is what calling any of its tools twice would do, `effects` that of single ones, by the
    server's own names. Both are the operator's word: what a server says of itself (`readOnlyHint`)
    counts for nothing. `allow` and `deny` are patterns of those names; deny wins. `meta` goes with
    each call as `_meta`.
    """

    name: str
    # What may hold a secret stays out of the representation.
    command: str | None = None
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path | str | None = None
    url: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    app: Any = field(default=None, repr=False)
    legacy: bool = False
    """Speak only the protocol with a handshake: for a server that a newer request upsets."""

    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    effect: Effect = "unsafe"
    effects: Mapping[str, Effect] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)
    connect_timeout_s: float = 30.0
    call_timeout_s: float = 60.0
    max_tools: int = 128
    max_description: int = 2_000
    """Characters of a tool's description that a model is shown."""

    max_schema_bytes: int = 32_768
    max_output: int = DEFAULT_MAX_OUTPUT
    max_message_bytes: int = 4_194_304
    """The longest message that is read; a server that sends a longer one is disconnected."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"MCP server {self.name!r}: a name is letters, digits, - and single _ inside, at "
                "most 32, and begins with a letter."
            )
        for several in ("args", "allow", "deny"):
            # A lone string would become its letters, and one of them may be a *.
            if isinstance(getattr(self, several), str):
                raise UsageError(f"MCP server {self.name}: {several} is a list, not one string.")
        ways = [self.command, self.url, self.app]
        if sum(way is not None for way in ways) != 1:
            raise UsageError(f"MCP server {self.name}: give it one of command, url and app.")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise UsageError(
                f"MCP server {self.name}: its url must begin with http:// or https://."
            )
        for limit in ("connect_timeout_s", "call_timeout_s", "max_tools", "max_message_bytes"):
            if not getattr(self, limit) > 0:
                raise UsageError(f"MCP server {self.name}: {limit} must be above 0.")

    @property
    def transport(self) -> Transport:
        """How it is talked to."""
        if self.command is not None:
            return "stdio"
        return "http" if self.url is not None else "memory"

    def idle_patterns(self, tools: Iterable[str]) -> list[str]:
        """What was written of tools and fits none of these: perhaps misspelt."""
        written = {"allow": self.allow, "deny": self.deny, "effects": self.effects}
        return [
            f"{kind} {pattern!r} fits no tool"
            for kind, patterns in written.items()
            for pattern in patterns
            if pattern != "*" and not any(fnmatchcase(tool, pattern) for tool in tools)
        ]

    def offers(self, tool: str) -> bool:
        """Whether the operator lets agents have this tool of the server."""
        allowed = any(fnmatchcase(tool, pattern) for pattern in self.allow)
        return allowed and not any(fnmatchcase(tool, pattern) for pattern in self.deny)

    def effect_of(self, tool: str) -> Effect:
        """What calling the tool twice would do, as the operator says."""
        return self.effects.get(tool, self.effect)
