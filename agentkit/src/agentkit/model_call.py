"""One model call of a run: what is asked, and how the reply comes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from agentkit.cleaning import clean_reply
from agentkit.errors import ModelMisbehaved
from agentkit.events import ModelDelta
from agentkit.feed import Feed
from agentkit.limits import Meter
from agentkit.llm import LlmClient, ModelRequest
from agentkit.llm.estimate import may_use
from agentkit.messages import Reply, Usage
from agentkit.planning import Ask
from agentkit.wire import to_json

if TYPE_CHECKING:
    from pydantic import JsonValue


class ModelCall:
    """What a journal runs when it has no record of the call.

    One object and no closures: ten thousand agents wait in one each.
    """

    __slots__ = ("_ask", "_deltas", "_feed", "_llm", "_meter", "_request", "_step")

    def __init__(
        self,
        llm: LlmClient,
        request: ModelRequest,
        ask: Ask,
        *,
        step: int,
        meter: Meter,
        deltas: Callable[[], bool],
        feed: Feed,
    ) -> None:
        self._llm = llm
        self._request = request
        self._ask = ask
        self._step = step
        self._meter = meter
        self._deltas = deltas
        self._feed = feed

    def may_use(self) -> Usage:
        """What it may use at most, for who pays for it."""
        return may_use(self._request)

    async def __call__(self) -> JsonValue:
        """The reply, to be recorded. Raises what the model's client raises, and LimitExceeded."""
        # The limit on seconds may cut the call, never a journal that is writing its record.
        async with self._meter.deadline():
            if self._deltas():
                reply = await self._streamed()
            else:
                reply = await self._llm.complete(*self._request.arguments)
            return to_json(clean_reply(_usable(reply, self._ask)))

    async def _streamed(self) -> Reply:
        async with aclosing(self._llm.stream(*self._request.arguments)) as items:
            async for item in items:
                if isinstance(item, Reply):
                    return item
                self._feed.tell(ModelDelta(self._step, item))
        raise ModelMisbehaved(f"{self._llm.model}'s stream ended without a reply.")


def _usable(reply: Reply, ask: Ask) -> Reply:
    """The reply. Raises ModelMisbehaved for one that leads nowhere: a client may be anybody's."""
    calls = reply.message.tool_calls
    if reply.stop in ("end", "tool_calls") and bool(calls) != (reply.stop == "tool_calls"):
        raise ModelMisbehaved(
            f"{reply.model}'s reply contradicts itself: it stopped with {reply.stop!r} and has "
            f"{len(calls)} tool calls. Try again, or mend the client.",
            reply,
        )
    # A planner that wants a shape of its own, a plan, judges by itself what does not have it.
    if calls and reply.stop == "tool_calls" and not ask.offer_tools and ask.output is None:
        raise ModelMisbehaved(
            f"{reply.model} called {calls[0].tool}, and no tool was offered: try again.", reply
        )
    return reply
