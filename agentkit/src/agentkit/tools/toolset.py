"""Tools that belong together: named as a group, opened and closed as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from agentkit.errors import UsageError
from agentkit.tools.tool import Tool, checked_name


class Toolset:
    """A named group of tools: those it is given and, in a subclass, its methods made with `@tool`.

    A class with state derives from it, and acquires and gives back what its tools use in `open` and
    `close`; `async with` calls them. Iterating gives the tools, so a toolset can be passed wherever
    tools can.
    """

    def __init__(self, name: str, tools: Iterable[Tool] = ()) -> None:
        self.name = name
        self._tools = (*tools, *self._methods())

    async def open(self) -> None:
        """Acquire what the tools use; nothing here."""

    async def close(self) -> None:
        """Give it back; called also when a run has failed, never when `open` has."""

    def prefixed(self, prefix: str | None = None) -> Toolset:
        """The same tools under names that begin with `prefix`, the set's name and `_` unless given.

        Raises UsageError for a name that would be longer than providers accept.
        """
        start = f"{self.name}_" if prefix is None else prefix
        return _View(self, tuple(renamed(tool, start + tool.name) for tool in self))

    def only(self, *names: str) -> Toolset:
        """Those of these names. Raises UsageError for a name that no tool has."""
        self._check(names)
        return _View(self, tuple(tool for tool in self if tool.name in names))

    def without(self, *names: str) -> Toolset:
        """All but those of these names. Raises UsageError for a name that no tool has."""
        self._check(names)
        return _View(self, tuple(tool for tool in self if tool.name not in names))

    def where(self, keep: Callable[[Tool], bool]) -> Toolset:
        """Those that `keep` says yes to, as in `where(lambda tool: tool.effect == "pure")`."""
        return _View(self, tuple(tool for tool in self if keep(tool)))

    def _methods(self) -> Iterator[Tool]:
        """The tools of the class, in the order in which they were written, bases first."""
        names = dict.fromkeys(
            name
            for kind in reversed(type(self).__mro__)
            for name, value in vars(kind).items()
            if isinstance(value, Tool)
        )
        # What a subclass has replaced by something else is no tool of it any more.
        found = (getattr(self, name) for name in names)
        return (tool for tool in found if isinstance(tool, Tool))

    def _check(self, names: Iterable[str]) -> None:
        known = {tool.name for tool in self}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UsageError(
                f"Toolset {self.name} has no tool {unknown[0]}; it has {', '.join(sorted(known))}."
            )

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class _View(Toolset):
    """Some tools of another set, perhaps under other names; opening it opens the other."""

    def __init__(self, source: Toolset, tools: tuple[Tool, ...]) -> None:
        super().__init__(source.name, tools)
        self._source = source

    async def open(self) -> None:
        await self._source.open()

    async def close(self) -> None:
        await self._source.close()


def renamed(tool: Tool, name: str) -> Tool:
    """The same tool under another name. Raises UsageError for one that providers refuse."""
    return replace(tool, spec=replace(tool.spec, name=checked_name(name)))
