"""Tools and model clients that other distributions bring, found by their entry points.

A distribution names them in its `pyproject.toml`:

    [project.entry-points."agentkit.tools"]
    acme = "acme_tools:tools"          # a tool, a toolset or a list of tools

    [project.entry-points."agentkit.llm"]
    acme = "acme_tools:AcmeClient"     # makes an LlmClient

Nothing is imported until it is asked for by name, and nothing is used because it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agentkit.errors import UsageError

if TYPE_CHECKING:
    from agentkit.llm import LlmClient
    from agentkit.tools import Toolset

Group: TypeAlias = Literal["agentkit.tools", "agentkit.llm"]


def names(group: Group) -> tuple[str, ...]:
    """The plugins of a group that are installed, without importing any."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def tools(name: str) -> Toolset:
    """The tools of one plugin: its own toolset, to be opened before use, or one of its tools.

    Raises UsageError, naming the distribution, for a plugin that cannot be used.
    """
    # Imported here: tools need pydantic, and a program may only want the names.
    from agentkit.tools import Tool, Toolset

    point = _found("agentkit.tools", name)
    loaded = _loaded(point)
    if isinstance(loaded, Toolset):
        return loaded
    several = isinstance(loaded, Iterable) and not isinstance(loaded, str)
    brought = tuple(loaded) if several else (loaded,)
    wrong = next((one for one in brought if not isinstance(one, Tool)), None)
    if wrong is not None:
        raise UsageError(
            f"{_title(point)}: {wrong!r} is no tool: decorate the function with @tool."
        )
    return Toolset(name, brought)


def llm(name: str) -> Callable[..., LlmClient]:
    """What makes the client of one plugin: its class, or a function.

    Raises UsageError, naming the distribution, for a plugin that cannot be used.
    """
    point = _found("agentkit.llm", name)
    make = _loaded(point)
    if not callable(make):
        raise UsageError(f"{_title(point)}: {make!r} makes no client: name a class or a function.")
    made: Callable[..., LlmClient] = make
    return made


def _found(group: Group, name: str) -> EntryPoint:
    points = list(entry_points(group=group, name=name))
    if not points:
        known = ", ".join(names(group)) or "none"
        raise UsageError(f"There is no plugin {name!r} in {group}; installed: {known}.")
    if len({(point.value, _distribution(point)) for point in points}) > 1:
        both = " and ".join(sorted(map(_distribution, points)))
        raise UsageError(f"{both} both bring a plugin {name!r} in {group}: uninstall one.")
    return points[0]


def _loaded(point: EntryPoint) -> Any:
    try:
        return point.load()
    # Foreign code runs when it is imported: whatever it raises, its distribution is to be named.
    except Exception as error:
        raise UsageError(f"{_title(point)}: {type(error).__name__}: {error}") from error


def _title(point: EntryPoint) -> str:
    return f"Plugin {point.name} of {_distribution(point)} ({point.value})"


def _distribution(point: EntryPoint) -> str:
    return (
        "an unknown distribution"
        if point.dist is None
        else f"{point.dist.name} {point.dist.version}"
    )
