"""Two managers, one inside the other: what either of them denies is denied."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agentkit.decisions import Decision, Deny, NeedApproval
from agentkit.messages import ToolCall
from agentkit.security.port import CallContext, SecurityManager


class Within:
    """Allows what `manager` and `outer` both allow; a person is asked when one of them says so.

    It holds an agent that is called as a tool to what the calling agent may do: handing work over
    must not be a way around a policy. `outer` is the `check` of the manager around.
    """

    def __init__(
        self,
        manager: SecurityManager,
        outer: Callable[[ToolCall, CallContext], Awaitable[Decision]],
    ) -> None:
        self._manager = manager
        self._outer = outer

    async def check(self, call: ToolCall, context: CallContext) -> Decision:
        """See `SecurityManager`. A denial says whose it is by its rule."""
        inner = await self._manager.check(call, context)
        if isinstance(inner, Deny):
            return inner
        outer = await self._outer(call, context)
        if isinstance(inner, NeedApproval) and isinstance(outer, NeedApproval):
            questions = dict.fromkeys((inner.question, outer.question))
            return NeedApproval(f"{inner.rule}, {outer.rule}", " ".join(questions))
        return inner if isinstance(inner, NeedApproval) and not isinstance(outer, Deny) else outer
