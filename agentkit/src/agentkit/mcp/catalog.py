"""The tools of one server, as it last listed them, without those that it may not offer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from agentkit.mcp.definition import Definition, LeftOut, defined
from agentkit.mcp.pins import Pins
from agentkit.mcp.server import McpServer
from agentkit.mcp.status import OnWithheld, Withheld
from agentkit.tools.text import bounded

if TYPE_CHECKING:
    from mcp_types import Tool as ListedTool

_MOST_REASONS = 20

_LONGEST_NAME = 100


class Catalog:
    """What can be called, by the server's own names, and why the rest cannot.

    `on_withheld` is told once of each change of a definition.
    """

    def __init__(self, server: McpServer, pins: Pins, on_withheld: OnWithheld) -> None:
        self._server = server
        self._pins = pins
        self._on_withheld = on_withheld
        self._definitions: dict[str, Definition] = {}
        self.withheld: dict[str, Withheld] = {}
        self.left_out: tuple[str, ...] = ()

    @property
    def offered(self) -> tuple[Definition, ...]:
        """What can be called now, in the server's order."""
        withheld = self.withheld
        return tuple(one for one in self._definitions.values() if one.name not in withheld)

    def find(self, tool: str, digest: str | None = None) -> Definition:
        """The tool of that name on the server, which is still what it was under this digest.

        Raises LeftOut, saying why it cannot be called.
        """
        found = self._definitions.get(tool)
        if found is None:
            known = ", ".join(one.tool for one in self.offered) or "none"
            raise LeftOut(f"there is no such tool; tools: {bounded(known, 1_000)}")
        if found.name in self.withheld:
            raise LeftOut("its definition has changed, and nobody has accepted that yet")
        if digest not in (None, found.digest):
            raise LeftOut("its definition has changed since it was given to this agent")
        return found

    def update(self, listed: Sequence[ListedTool], *, cut: bool) -> None:
        """Take over a new list; `cut` says that the server has more."""
        definitions: dict[str, Definition] = {}
        reasons = [f"only the first {self._server.max_tools} tools were read"] if cut else []
        names = [one.name for one in listed]
        reasons += self._server.idle_patterns(names)
        reasons += self._pins.idle(self._server.name, names)
        for one in listed:
            if not self._server.offers(one.name):
                continue
            try:
                definition = defined(self._server, one)
                _not_among(definition, definitions.values())
            except LeftOut as error:
                reasons.append(f"{one.name[:_LONGEST_NAME]}: {error}")
                continue
            definitions[definition.tool] = definition
        self._definitions = definitions
        self.left_out = tuple(reasons[:_MOST_REASONS])
        self._hold_against_pins()

    def accept(self, name: str) -> bool:
        """Take the changed definition of this tool for the right one; False when none is withheld."""
        withheld = self.withheld.pop(name, None)
        if withheld is not None:
            self._pins.accept(withheld)
        return withheld is not None

    def _hold_against_pins(self) -> None:
        before = self.withheld
        found = [self._pins.held_against(one) for one in self._definitions.values()]
        self.withheld = {one.name: one for one in found if one is not None}
        for one in self.withheld.values():
            if before.get(one.name) != one:
                self._on_withheld(one)


def _not_among(definition: Definition, others: Iterable[Definition]) -> None:
    if any(definition.name == other.name for other in others):
        raise LeftOut("another tool of the server has the same name")
