"""The default manager: a list of names, everything else denied."""

from __future__ import annotations

from collections.abc import Iterable

from agentkit.decisions import Allow, Decision, Deny
from agentkit.messages import ToolCall
from agentkit.security.port import CallContext


class AllowList:
    """Allows the tools named, whatever their arguments. An empty list denies everything."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        # A lone string would silently become a list of its letters.
        self._names = frozenset([names] if isinstance(names, str) else names)

    async def check(self, call: ToolCall, context: CallContext) -> Decision:
        """See `SecurityManager`."""
        if call.tool in self._names:
            return Allow("allow_list")
        return Deny("allow_list", f"{call.tool} is not on the list of allowed tools")
