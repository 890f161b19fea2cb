"""The tools that a worker can give to agents: the built-in ones, and the operator's own.

An operator names tools as `module:attribute` (one tool, several, or a toolset) or as `plugin:name` (what an
installed distribution brings). Built-in tools that reach the web or files, or run code, are there only when a
setting says so. Which of them all an agent has is chosen by its task; nothing else is allowed to it.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from agentkit import EgressPolicy, Toolset, plugins
from agentkit.errors import UsageError
from agentkit.mcp.names import SEPARATOR
from agentkit.tools import Tool
from agentkit.tools.builtin import (
    MEMORY_TOOLS,
    ask_user,
    calculator,
    current_time,
    http_fetch,
    python_code,
    run_tasks,
    sleep,
    workspace_tools,
)
from ops_core.errors import TaskFailed
from opspawn.agents.contract import DEFAULT_TOOLS
from opspawn.settings import Settings

#: What an agent has when its task does not say.
DEFAULT: Final = DEFAULT_TOOLS

#: Tools that are there when a setting says so, and that setting.
OFFERED_BY: Final = {
    "http_fetch": "OPSPAWN_HTTP_FETCH_HOSTS",
    "python_code": "OPSPAWN_PYTHON_CODE",
    **dict.fromkeys(("list_files", "read_file", "write_file", "delete_file"), "OPSPAWN_WORKSPACES"),
    **dict.fromkeys(MEMORY_TOOLS, "AGENTKIT_LTM_PROVIDER"),
    **dict.fromkeys(("mcp_proxy_tool", "mcp_list_tools"), "OPSPAWN_MCP_SERVERS"),
}

BUILTIN: Final[tuple[Tool, ...]] = (calculator, current_time, ask_user, sleep, run_tasks)


class ToolError(Exception):
    """A tool that the operator named cannot be used; the message says which, and why."""


def load(names: Iterable[str], settings: Settings | None = None) -> Mapping[str, Tool]:
    """Every tool of this worker, by its name. Raises `ToolError`."""
    tools = {tool.name: tool for tool in (*BUILTIN, *_configured(settings))}
    # Each task has its own of these; their names are taken all the same.
    reserved = {tool.name for tool in _files(settings, "")}
    for name in names:
        for tool in _named(name):
            if tool.name in {*tools, *reserved}:
                raise ToolError(f"{name}: there are two tools named {tool.name}; rename one")
            tools[tool.name] = tool
    return tools


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Mapping[str, Tool]]:
    """Every tool that the settings name, with the toolsets among them open. Raises `ToolError`."""
    tools = load(settings.tool_names, settings)
    async with AsyncExitStack() as stack:
        for name in settings.tool_names:
            found = _named(name)
            if isinstance(found, Toolset):
                try:
                    await stack.enter_async_context(found)
                # The operator's own code, as where it is imported.
                except Exception as error:
                    raise ToolError(f"{name}: {type(error).__name__}: {error}") from error
        yield tools


def of_task(tools: Mapping[str, Tool], settings: Settings, task_id: str) -> Mapping[str, Tool]:
    """The worker's tools, and those that work in a folder of the task's own."""
    return {**tools, **{tool.name: tool for tool in _files(settings, task_id)}}


def only_to_look_at() -> Mapping[str, Tool]:
    """All built-in tools, of which those that need a setting reach nothing: a replay calls none."""
    optional = (http_fetch(EgressPolicy()), python_code, *workspace_tools(Path("nowhere")))
    return {tool.name: tool for tool in (*BUILTIN, *optional)}


def chosen(tools: Mapping[str, Tool], names: Iterable[str]) -> tuple[Tool, ...]:
    """The tools of these names. Raises `TaskFailed` for one that this worker does not have."""
    missing = [name for name in names if name not in tools]
    if missing:
        raise TaskFailed(
            "unknown_tool",
            f"The worker has no tool {missing[0]!r}; it has {', '.join(sorted(tools))}. What would offer "
            f"it is {_offering(missing[0])}, in the worker's settings.",
        )
    return tuple(tools[name] for name in names)


def approved(tools: Iterable[Tool], names: Sequence[str]) -> Sequence[str]:
    """Those names again. Raises `TaskFailed` for one that is not among the task's tools: misspelt, it would
    let the call that was meant be made without leave."""
    given = sorted(tool.name for tool in tools)
    missing = [name for name in names if name not in given]
    if missing:
        raise TaskFailed(
            "unknown_tool",
            f"agent_config.approve names {missing[0]!r}, which is not a tool of this task; "
            f"it has {', '.join(given) or 'none'}.",
        )
    return names


def _offering(name: str) -> str:
    """The setting that would bring a tool of this name."""
    of_server = SEPARATOR in name
    return OFFERED_BY.get(name, "OPSPAWN_MCP_SERVERS" if of_server else "OPSPAWN_TOOLS")


def _configured(settings: Settings | None) -> tuple[Tool, ...]:
    if settings is None:
        return ()
    hosts = tuple(settings.fetched_hosts)
    return (
        *([http_fetch(EgressPolicy(hosts=hosts))] if hosts else []),
        *([python_code] if settings.python_code else []),
    )


def _files(settings: Settings | None, task_id: str) -> Iterable[Tool]:
    if settings is None or settings.workspaces is None:
        return ()
    return workspace_tools(settings.workspaces / task_id)


def _named(name: str) -> Toolset | tuple[Tool, ...]:
    kind, _, rest = name.partition(":")
    if kind == "plugin":
        try:
            return plugins.tools(rest)
        except UsageError as error:
            raise ToolError(f"{name}: {error.message}") from error
    return _of_module(name)


def _of_module(name: str) -> Toolset | tuple[Tool, ...]:
    module, _, attribute = name.partition(":")
    try:
        found: Any = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        remedy = "install it beside opspawn, or name its folder in PYTHONPATH"
        raise ToolError(f"{name}: ModuleNotFoundError: {error}; {remedy}") from error
    # The operator's own code: whatever it raises, its worker must say so in a line and not start.
    except Exception as error:
        raise ToolError(f"{name}: {type(error).__name__}: {error}") from error
    if isinstance(found, Toolset):
        return found
    is_several = isinstance(found, Sequence) and not isinstance(found, str)
    tools = tuple(found) if is_several else (found,)
    wrong = next((tool for tool in tools if not isinstance(tool, Tool)), None)
    if wrong is not None:
        raise ToolError(f"{name}: {wrong!r} is not a tool: decorate the function with @tool")
    return tools
