"""A client of many MCP servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from agentkit.errors import McpError, UsageError
from agentkit.mcp import native, reading
from agentkit.mcp.backoff import Backoff
from agentkit.mcp.catalog import Catalog
from agentkit.mcp.connection import Connection
from agentkit.mcp.definition import Definition, LeftOut
from agentkit.mcp.names import server_of
from agentkit.mcp.pins import Pins
from agentkit.mcp.reading import McpContent, McpPrompt, McpResource
from agentkit.mcp.result import McpResult, result_of
from agentkit.mcp.server import McpServer
from agentkit.mcp.status import OnStatus, OnWithheld, ServerStatus
from agentkit.messages import Label, Message
from agentkit.tools import InvalidArguments, Tool

if TYPE_CHECKING:
    from mcp import Client

T = TypeVar("T")

IDEMPOTENCY_KEY = "agentkit/idempotency-key"
"""Under which a server finds the key of a call in its `_meta`: the same when it is repeated."""


class McpClient:
    """Connects servers when they are first needed, and again when they are lost.

    An async context manager: leaving it ends every session and every process. One server that
    fails does not touch the others; `status` says how each stands. `pins` are those of an earlier
    client; `on_withheld` is told of each tool that is not what was pinned, `on_status` of each
    connection and each loss.
    """

    def __init__(
        self,
        servers: Iterable[McpServer],
        *,
        pins: Mapping[str, str] | None = None,
        on_withheld: OnWithheld = lambda _: None,
        on_status: OnStatus = lambda _: None,
        backoff: Backoff | None = None,
    ) -> None:
        if find_spec("mcp") is None:
            raise UsageError("MCP needs its SDK: pip install 'agentkit[mcp]'.")
        self._pins = Pins(pins)
        self._connections: dict[str, Connection] = {}
        for server in servers:
            if server.name in self._connections:
                raise UsageError(f"Two MCP servers are named {server.name}: rename one.")
            catalog = Catalog(server, self._pins, on_withheld)
            connection = Connection(server, catalog, backoff or Backoff(), on_status)
            self._connections[server.name] = connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(one.stop() for one in self._connections.values()))

    @property
    def servers(self) -> tuple[McpServer, ...]:
        """Those it was made with."""
        return tuple(one.server for one in self._connections.values())

    @property
    def pins(self) -> dict[str, str]:
        """What every tool was when it was first seen or last accepted, by its namespaced name."""
        return self._pins.all

    def status(self) -> tuple[ServerStatus, ...]:
        """How each server stands now."""
        return tuple(one.status for one in self._connections.values())

    def accept(self, name: str) -> None:
        """Let agents have a withheld tool, as it is now. Raises UsageError when none is withheld."""
        connection = self._connections.get(server_of(name))
        if connection is None or not connection.catalog.accept(name):
            raise UsageError(f"No tool {name} is withheld.")

    async def connect(self, *names: str) -> tuple[ServerStatus, ...]:
        """Connect these servers, or all of them, at the same time; how they stand then."""
        wanted = [self._connection(name) for name in names or self._connections]
        await asyncio.gather(*(one.ready() for one in wanted), return_exceptions=True)
        return tuple(one.status for one in wanted)

    async def tools(self, *names: str) -> tuple[Tool, ...]:
        """The tools of these servers. Of all of them, when none is named, that can be connected.

        Raises McpError when one of the named cannot be.
        """
        if not names:
            names = tuple(one.name for one in await self.connect() if one.state == "connected")
        listed = await asyncio.gather(*map(self._definitions, names))
        return tuple(self._native(one) for definitions in listed for one in definitions)

    async def tool(self, name: str) -> Tool:
        """The tool of this namespaced name. Raises McpError when it is not there or withheld."""
        connection = self._connection(server_of(name))
        await connection.ready()
        for definition in connection.catalog.offered:
            if definition.name == name:
                return self._native(definition)
        withheld = any(one.name == name for one in connection.catalog.withheld.values())
        why = (
            "its definition has changed, and nobody has accepted that yet"
            if withheld
            else ("the server does not offer it")
        )
        raise McpError(f"There is no tool {name}: {why}.", before_effect=True)

    def proxy_tools(self) -> tuple[Tool, Tool]:
        """`mcp_proxy_tool`, which calls any tool of any server, and `mcp_list_tools` beside it.

        Who may call the first may call them all: what is not wanted is for `allow` and `deny`.
        """
        return (
            native.proxy(self.servers, self._call),
            native.listing(self.servers, self._definitions),
        )

    async def call(
        self, server: str, tool: str, arguments: dict[str, Any], *, key: str | None = None
    ) -> McpResult:
        """Call a tool by the server's own name for it; once, whatever happens. Raises McpError."""
        return await self._call(server, tool, arguments, key)

    async def resources(self, server: str) -> tuple[McpResource, ...]:
        """What the server has to be read. Raises McpError, as everything below."""
        return await self._listed_resources(
            server, lambda client: client.list_resources, lambda page: page.resources
        )

    async def resource_templates(self, server: str) -> tuple[McpResource, ...]:
        """Resources whose URI has places to fill in."""
        return await self._listed_resources(
            server,
            lambda client: client.list_resource_templates,
            lambda page: page.resource_templates,
        )

    async def read(self, server: str, uri: str) -> tuple[McpContent, ...]:
        """The contents of a resource."""
        answer = await self._connection(server).ask(lambda client: client.read_resource(uri))
        return reading.contents_of(answer, Label("tool", server))

    async def prompts(self, server: str) -> tuple[McpPrompt, ...]:
        """The prompts that the server has."""
        connection = self._connection(server)
        await connection.ready()
        if connection.capabilities.prompts is None:
            return ()
        found = await connection.ask(
            lambda client: reading.paged(
                lambda cursor: client.list_prompts(cursor=cursor), lambda page: page.prompts
            )
        )
        most = connection.server.max_description
        return tuple(reading.prompt_of(one, most) for one in found)

    async def prompt(
        self, server: str, name: str, arguments: dict[str, str] | None = None
    ) -> tuple[Message, ...]:
        """A prompt, filled in, as messages for a model."""
        answer = await self._connection(server).ask(
            lambda client: client.get_prompt(name, arguments)
        )
        return reading.messages_of(answer, Label("tool", server))

    def _connection(self, name: str) -> Connection:
        connection = self._connections.get(name)
        if connection is None:
            known = ", ".join(self._connections) or "none"
            raise McpError(
                f"There is no MCP server {name!r}; servers: {known}.", before_effect=True
            )
        return connection

    def _native(self, definition: Definition) -> Tool:
        async def call(
            server: str, tool: str, arguments: dict[str, Any], key: str | None
        ) -> McpResult:
            return await self._call(server, tool, arguments, key, definition.digest)

        return native.native(self._connection(definition.server).server, definition, call)

    async def _definitions(self, server: str) -> Sequence[Definition]:
        connection = self._connection(server)
        await connection.ready()
        return connection.catalog.offered

    async def _call(
        self,
        server: str,
        tool: str,
        arguments: dict[str, Any],
        key: str | None,
        digest: str | None = None,
    ) -> McpResult:
        """One call of a tool that is what it was when `digest` was taken, and allowed now."""
        connection = self._connection(server)
        await connection.ready()
        try:
            connection.catalog.find(tool, digest).check(arguments)
        except (LeftOut, InvalidArguments) as error:
            raise McpError(f"{server} {tool}: {error}.", before_effect=True) from None
        meta: dict[str, Any] = dict(connection.server.meta)
        if key is not None:
            meta[IDEMPOTENCY_KEY] = key

        async def ask(client: Client) -> McpResult:
            # The SDK's type names one key and allows any.
            return result_of(await client.call_tool(tool, arguments, meta=meta or None))  # type: ignore[arg-type]

        result = await connection.ask(ask)
        # An error may quote what we sent along; any other result is data, and is not touched.
        return replace(result, text=connection.blotted(result.text)) if result.is_error else result

    async def _listed_resources(
        self,
        server: str,
        lister: Callable[[Client], Callable[..., Awaitable[Any]]],
        items: Callable[[Any], list[Any]],
    ) -> tuple[McpResource, ...]:
        connection = self._connection(server)
        await connection.ready()
        if connection.capabilities.resources is None:
            return ()
        found = await connection.ask(
            lambda client: reading.paged(lambda cursor: lister(client)(cursor=cursor), items)
        )
        most = connection.server.max_description
        return tuple(reading.resource_of(one, most) for one in found)
