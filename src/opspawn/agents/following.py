"""What a run says of itself in its task's log, besides its steps."""

import json
from typing import Final

from agentkit import Agent
from agentkit.events import (
    Event,
    Finished,
    HandedOver,
    LimitReached,
    PlanMade,
    ToolFinished,
)
from agentkit.wire import to_json
from ops_core.log import EventType, NewEvent
from ops_core.ports import TaskLog
from ops_core.streams.pieces import Pieces
from ops_core.task import JsonObject
from opspawn.agents import deltas

#: The tools of the long-term memory whose use is told, and what of their arguments.
_OF_MEMORY: Final = {
    "memory_search": (EventType.MEMORY_SEARCHED, ("query", "topic")),
    "memory_save": (EventType.MEMORY_SAVED, ("text", "topic")),
}


#: Events that a run has once. Of the others it may have several, each with data of its own.
_ONCE: Final = frozenset({EventType.AGENT_LIMIT, EventType.AGENT_FINISHED})

_SAID: Final = _ONCE | {
    EventType.AGENT_PLAN,
    EventType.AGENT_HANDOFF,
    EventType.MEMORY_SEARCHED,
    EventType.MEMORY_SAVED,
}


_NOTHING: Final[frozenset[tuple[str, str]]] = frozenset()


async def follow(agent: Agent, goal: str, log: TaskLog, pieces: Pieces) -> Finished:
    """Runs the agent to its end. Its steps are in the log already; what is added is what they were for."""
    voice, wanted = _Voice(log), pieces.wanted
    # Unwatched, it has nothing to tell before its model has answered, and waits in one task instead of two.
    events = agent.stream(goal, deltas=wanted, live=wanted)
    try:
        async for event in events:
            deltas.hear(pieces, event)
            await voice.tell(event)
            if isinstance(event, Finished):
                return event
    finally:
        await events.aclose()
    raise AssertionError("an agent that does not raise ends with Finished")


class _Voice:
    """Says everything once: a run that goes on elsewhere comes by here again."""

    __slots__ = ("_log", "_said")

    def __init__(self, log: TaskLog) -> None:
        self._log = log
        # Where nothing was said, as in nearly all runs, that takes no set of its own.
        said = {_key(event.type, event.data) for event in log.history if event.type in _SAID}
        self._said = frozenset(said) if said else _NOTHING

    async def tell(self, event: Event) -> None:
        """Says what the event was for, if that is not in the log already."""
        match event:
            case PlanMade(step, plan):
                planned = [to_json(one) for one in plan]
                await self._say(EventType.AGENT_PLAN, {"step": step, "steps": planned})
            case HandedOver(step, call_id, name):
                data: JsonObject = {"step": step, "call_id": call_id, "agent": name}
                await self._say(EventType.AGENT_HANDOFF, data)
            case ToolFinished(step, call, seen) if call.tool in _OF_MEMORY and not seen.is_error:
                kind, names = _OF_MEMORY[call.tool]
                given = {name: call.arguments.get(name) for name in names}
                await self._say(kind, {"step": step, "call_id": call.id, **given})
            case LimitReached(_, limit, detail):
                await self._say(EventType.AGENT_LIMIT, {"limit": limit, "detail": detail})
            case Finished(output, steps, _, reason):
                data = {"output": output, "steps": steps, "reason": reason}
                await self._say(EventType.AGENT_FINISHED, data)

    async def _say(self, kind: EventType, data: JsonObject) -> None:
        key = _key(kind, data)
        if key not in self._said:
            self._said |= {key}
            await self._log.append(NewEvent(type=kind, data=data))


def _key(kind: str, data: JsonObject) -> tuple[str, str]:
    return str(kind), "" if kind in _ONCE else json.dumps(data, sort_keys=True)
