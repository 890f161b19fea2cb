"""Pins: what each tool was when it was first seen, so that a server cannot change it in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agentkit.mcp.definition import Definition
from agentkit.mcp.names import SEPARATOR, namespaced, server_of
from agentkit.mcp.status import Withheld
from agentkit.tools.text import bounded


class Pins:
    """SHA-256 of the definition of each tool, by its namespaced name.

    A name that is not pinned is pinned as it is found. A pin outlives the tool: one that goes and
    comes back must still be the same.
    """

    def __init__(self, pinned: Mapping[str, str] | None = None) -> None:
        self._pinned = dict(pinned or {})
        self._given = tuple(self._pinned)

    @property
    def all(self) -> dict[str, str]:
        """To be kept by the operator, and given to the next client."""
        return dict(self._pinned)

    def held_against(self, definition: Definition) -> Withheld | None:
        """What is wrong with the definition, None when it is the pinned one."""
        pinned = self._pinned.setdefault(definition.name, definition.digest)
        if pinned == definition.digest:
            return None
        return Withheld(definition.name, pinned, definition.digest)

    def idle(self, server: str, tools: Sequence[str]) -> list[str]:
        """Given pins that fit none of the server's tools: a misspelt one holds nothing to anything."""
        known = {namespaced(server, tool) for tool in tools}
        idle = [pin for pin in self._given if server_of(pin) == server and pin not in known]
        there = bounded(", ".join(tools) or "none", 300)
        return [
            f"pins {pin.removeprefix(server + SEPARATOR)!r} fits no tool; tools: {there}"
            for pin in idle
        ]

    def accept(self, withheld: Withheld) -> None:
        """Pin what was found."""
        self._pinned[withheld.name] = withheld.found
