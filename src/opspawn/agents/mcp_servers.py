"""The MCP servers of workers: a YAML file that the operator writes, checked whole before anything starts.

    servers:
      NAME: {command, args, env, cwd} or {url, headers}; and enabled, effect, tools, legacy, …_timeout_s

`${VAR}` in any value stands for a variable of the environment or of `.env`, `$${` for `${` itself.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentkit.errors import UsageError
from agentkit.mcp import McpServer
from agentkit.mcp.names import namespaced
from agentkit.messages import Effect

_VARIABLE: Final = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

#: What is larger is no file of servers. Bytes.
_LARGEST_FILE: Final = 1_048_576


Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""SHA-256."""


class McpConfigError(Exception):
    """The file cannot be used; the message has one line for each mistake, and no value."""


class _Tools(BaseModel):
    """Which tools agents may have, by the server's own names, and what calling one twice would do."""

    model_config = ConfigDict(extra="forbid")

    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    effects: dict[str, Effect] = Field(default_factory=dict)
    pins: dict[str, Digest] = Field(default_factory=dict)


class _Server(BaseModel):
    model_config = ConfigDict(extra="forbid")

    enabled: bool = True
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: Path | None = None
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    legacy: bool = False
    effect: Effect = "unsafe"
    tools: _Tools = Field(default_factory=_Tools)
    connect_timeout_s: float = Field(30.0, gt=0)
    call_timeout_s: float = Field(60.0, gt=0)

    def named(self, name: str) -> McpServer:
        """Raises `UsageError`."""
        given = self.model_dump(exclude={"enabled", "tools"})
        tools = self.tools.model_dump(exclude={"pins"})
        return McpServer(name=name, **given, **tools)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    servers: dict[str, _Server]


def load(path: Path, variables: Mapping[str, str]) -> tuple[list[McpServer], dict[str, str]]:
    """The enabled servers and the pins of their tools by namespaced name. Raises `McpConfigError`."""
    written = _enabled(_read(path))
    if not isinstance(written, dict) or not written:
        raise McpConfigError(
            f"{path}: must begin with `servers:`; docs/how-to/mcp-servers.md shows it"
        )
    problems: list[str] = []
    filled = _filled(written, variables, "", problems)
    try:
        entries = _File.model_validate(filled).servers
    except ValidationError as error:
        found = error.errors(include_input=False, include_context=False, include_url=False)
        problems += [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found]
        entries = {}
    servers: list[McpServer] = []
    for name, entry in entries.items():
        try:
            servers.append(entry.named(name))
        except UsageError as error:
            problems.append(f"servers.{name}: {error}")
    if problems:
        raise McpConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    return servers, dict(_pins(entries))


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise McpConfigError(f"{path} cannot be read: {error.strerror}") from None
    if len(text) > _LARGEST_FILE:
        raise McpConfigError(f"{path} is larger than {_LARGEST_FILE} bytes")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise McpConfigError(f"{path} is no YAML{where}") from None


def _enabled(written: Any) -> Any:
    """Without the servers that are switched off: what they need may be missing."""
    if not isinstance(written, dict) or not isinstance(written.get("servers"), dict):
        return written
    servers = {
        name: entry
        for name, entry in written["servers"].items()
        if not isinstance(entry, dict) or entry.get("enabled") is not False
    }
    return {**written, "servers": servers}


def _filled(value: Any, variables: Mapping[str, str], place: str, problems: list[str]) -> Any:
    """The value with its variables; each that is missing is a problem that names it."""
    if isinstance(value, dict):
        return {
            key: _filled(part, variables, f"{place}.{key}".lstrip("."), problems)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [
            _filled(part, variables, f"{place}.{number}", problems)
            for number, part in enumerate(value)
        ]
    if not isinstance(value, str):
        return value

    def filled(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "${"
        if name not in variables:
            problems.append(f"{place}: the variable {name} is not set")
        return variables.get(name, "")

    return _VARIABLE.sub(filled, value)


def _pins(entries: Mapping[str, _Server]) -> Iterator[tuple[str, str]]:
    for server, entry in entries.items():
        for tool, digest in entry.tools.pins.items():
            yield namespaced(server, tool), digest
