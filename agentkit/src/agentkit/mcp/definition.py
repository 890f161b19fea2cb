"""What a server says of one of its tools, held within bounds: all of it is untrusted text."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.mcp.names import namespaced
from agentkit.mcp.server import McpServer
from agentkit.messages import Effect, Label, ToolSpec
from agentkit.tools import InvalidArguments, SchemaArguments
from agentkit.tools.text import bounded

if TYPE_CHECKING:
    from mcp_types import Tool as ListedTool


class LeftOut(Exception):
    """A tool cannot be offered; the message says why."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One tool of a server. `tool` is its name there, `name` the one that a model is told.

    `digest` is SHA-256 over what the server said of it, before anything was cut.
    """

    server: str
    tool: str
    name: str
    description: str
    arguments: SchemaArguments
    effect: Effect
    digest: str

    @property
    def spec(self) -> ToolSpec:
        """What a model is told, with the label of who wrote it."""
        schema = self.arguments.schema
        return ToolSpec(self.name, self.description, schema, Label("tool", self.server))

    def check(self, arguments: dict[str, Any]) -> None:
        """Raises InvalidArguments when they do not fit the schema."""
        self.arguments.parse(arguments)


def defined(server: McpServer, listed: ListedTool) -> Definition:
    """The definition of a listed tool. Raises LeftOut for one whose schema cannot be used."""
    schema = listed.input_schema
    size = len(json.dumps(schema))
    if size > server.max_schema_bytes:
        raise LeftOut(f"its schema has {size} bytes, {server.max_schema_bytes} are allowed")
    try:
        arguments = SchemaArguments(schema)
    except InvalidArguments as error:
        raise LeftOut(f"its schema is none ({error})") from None
    return Definition(
        server=server.name,
        tool=listed.name,
        name=namespaced(server.name, listed.name),
        description=bounded(listed.description or listed.name, server.max_description),
        arguments=arguments,
        effect=server.effect_of(listed.name),
        digest=digest(listed),
    )


def digest(listed: ListedTool) -> str:
    """SHA-256 over name, description and schemas, in hex: what a pin holds."""
    said = [listed.name, listed.description, listed.input_schema, listed.output_schema]
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
