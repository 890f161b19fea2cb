"""The agent's journal, kept in the running task's log.

A finished step is one event: its public `data` is what clients follow, its private `journal` is what replay
reads. Started again, an agent gets its finished steps back from here and goes on with the first that is not:
nothing that was paid for is paid for again.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import Final

from pydantic import JsonValue

from agentkit.boundary import Outcome
from agentkit.decisions import Decision, Deny, NeedApproval
from agentkit.errors import UsageError
from agentkit.journal import Step, UnknownOutcome
from agentkit.messages import Reply
from agentkit.wire import from_json
from ops_core.errors import TaskFailed
from ops_core.log import Event, EventType, NewEvent
from ops_core.ports import TaskLog
from ops_core.task import JsonObject, Reason, Usage

#: Version of the shape of `journal`; replay refuses one it does not know.
JOURNAL_VERSION: Final = 1


class TaskJournal:
    """`agentkit.Journal` over the log of one running task.

    Raises `TaskFailed` when the log does not fit the program (`nondeterministic`), or when an unsafe call was
    started and nobody knows how it ended (`effect_unknown`); `LostOwnership` when the task is no longer ours.
    """

    def __init__(self, log: TaskLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._finished, self._dispatched = _read(log.history)

    async def record(self, step: Step, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """See `agentkit.Journal`."""
        earlier = self._finished.get(step.path)
        if earlier is not None:
            _check_same(step, earlier)
            value: JsonValue = earlier["value"]
            return value
        if step.path in self._dispatched:
            raise TaskFailed(
                "effect_unknown",
                f"Step {step.path} had started {step.name!r}, which must not run twice, when its worker "
                "died; find out whether it happened before you submit the task again.",
            )
        if step.kind not in {"llm", "tool"}:
            return await run()  # inside a tool, whose record holds what came of it
        if step.effect != "pure":
            await self._log.append(_dispatched(step))
        started_s = self._clock()
        try:
            value = await run()
        except UnknownOutcome as unknown:
            value = unknown.value
        event, usage = _finished(step, value, round(self._clock() - started_s, 3))
        await self._log.append(event, usage=usage)
        return value

    def idempotency_key(self, path: str) -> str:
        """See `agentkit.Journal`. Tasks give no keys yet."""
        raise UsageError(f"Step {path} needs an idempotency key, which tasks do not give yet.")

    async def wait(self, step: Step) -> JsonValue:
        """See `agentkit.Journal`. Tasks cannot wait yet."""
        raise UsageError(f"Step {step.path} waits for something, which tasks cannot do yet.")

    async def start_child(self, step: Step) -> str:
        """See `agentkit.Journal`. Tasks have no children yet."""
        raise UsageError(f"Step {step.path} starts a child, which tasks cannot do yet.")


def _read(history: Iterable[Event]) -> tuple[dict[str, JsonObject], set[str]]:
    """The finished steps by path, and the paths of calls that were started."""
    finished: dict[str, JsonObject] = {}
    dispatched: set[str] = set()
    for event in history:
        entry = event.journal
        if entry is None:
            continue
        if entry.get("v") != JOURNAL_VERSION:
            message = (
                f"The log holds journal version {entry.get('v')}, which this build cannot replay."
            )
            raise TaskFailed("nondeterministic", message, reason=Reason.NONDETERMINISTIC)
        if event.type is EventType.TOOL_DISPATCHED:
            dispatched.add(entry["path"])
        else:
            finished[entry["path"]] = entry
    return finished, dispatched


def _check_same(step: Step, earlier: JsonObject) -> None:
    if earlier["hash"] != step.input_hash:
        raise TaskFailed(
            "nondeterministic",
            f"Step {step.path} ({step.kind} {step.name}) was recorded with other input: the agent, its tools "
            "or its model changed since this task started.",
            reason=Reason.NONDETERMINISTIC,
        )


def _entry(step: Step) -> JsonObject:
    return {"v": JOURNAL_VERSION, "path": step.path, "hash": step.input_hash}


def _number(step: Step) -> int:
    return int(step.path.split("/", 1)[0])


def _dispatched(step: Step) -> NewEvent:
    data = {
        "step": _number(step),
        "tool": step.name,
        "arguments": step.arguments,
        "effect": step.effect,
    }
    return NewEvent(type=EventType.TOOL_DISPATCHED, data=data, journal=_entry(step))


def _finished(step: Step, value: JsonValue, duration_s: float) -> tuple[NewEvent, Usage]:
    journal = _entry(step) | {"value": value}
    if step.kind == "llm":
        reply = from_json(Reply, value)
        data = _model_data(step, reply) | {"duration_s": duration_s}
        return NewEvent(type=EventType.LLM_COMPLETED, data=data, journal=journal), _usage(reply)
    outcome = from_json(Outcome, value)
    kind = EventType.TOOL_FAILED if outcome.observation.is_error else EventType.TOOL_COMPLETED
    data = _tool_data(step, outcome) | {"duration_s": duration_s}
    return NewEvent(type=kind, data=data, journal=journal), Usage()


def _model_data(step: Step, reply: Reply) -> JsonObject:
    cost = reply.usage.cost_usd
    return {
        "step": _number(step),
        "model": reply.model,
        "text": reply.message.text,
        "tool_calls": [
            {"id": call.id, "tool": call.tool, "arguments": call.arguments}
            for call in reply.message.tool_calls
        ],
        "usage": {
            "input_tokens": reply.usage.input_tokens,
            "output_tokens": reply.usage.output_tokens,
        },
        "cost_usd": None if cost is None else f"{cost:f}",
    }


def _tool_data(step: Step, outcome: Outcome) -> JsonObject:
    return {
        "step": _number(step),
        "call_id": outcome.observation.call_id,
        "tool": step.name,
        "arguments": step.arguments,
        "effect": step.effect,
        "output": outcome.observation.text,
        "decision": outcome.decision.kind,
        "rule": outcome.decision.rule,
        "why": _why(outcome.decision),
    }


def _why(decision: Decision) -> str | None:
    match decision:
        case Deny(_, reason):
            return reason
        case NeedApproval(_, question):
            return question
        case _:
            return None


def _usage(reply: Reply) -> Usage:
    return Usage(
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        # A price that is not known counts as nothing here; the event says that it is not known.
        cost_usd=reply.usage.cost_usd or Decimal(0),
        steps=1,
    )
