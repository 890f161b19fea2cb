"""The default manager: a list of names, everything else denied."""

from __future__ import annotations

from collections.abc import Iterable

from agentkit.decisions import Allow, Decision, Deny, NeedApproval
from agentkit.messages import ToolCall
from agentkit.security.port import CallContext


class AllowList:
    """Allows the tools named, whatever their arguments. An empty list denies everything.

    Each call of a tool in `approve` needs a person's leave; to be allowed it must be in `names` too.
    """

    __slots__ = ("_approve", "_names")

    def __init__(self, names: Iterable[str] = (), *, approve: Iterable[str] = ()) -> None:
        self._names = _names(names)
        self._approve = _names(approve)

    async def check(self, call: ToolCall, context: CallContext) -> Decision:
        """See `SecurityManager`."""
        if call.tool not in self._names:
            return Deny("allow_list", f"{call.tool} is not on the list of allowed tools")
        if call.tool in self._approve:
            return NeedApproval("approve", f"May {call.tool} be called with these arguments?")
        return Allow("allow_list")


def _names(given: Iterable[str]) -> tuple[str, ...]:
    # A lone string would silently become a list of its letters. Few are looked through as fast as a set of
    # them is asked, which would be half a kilobyte of every agent that waits.
    return (given,) if isinstance(given, str) else tuple(given)
