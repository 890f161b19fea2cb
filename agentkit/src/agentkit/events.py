"""What a run tells its listeners: a closed union, in the order things happen.

    ModelStarted → ModelReplied → (ToolStarted … ToolFinished …) → … → Finished | LimitReached

Tracing, cost, persistence and consoles listen to these; none of them is a line in the loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agentkit.decisions import Decision
from agentkit.messages import Effect, Reply, ToolCall, ToolMessage, Usage
from agentkit.wire import adapter

if TYPE_CHECKING:
    from pydantic import JsonValue

FinishReason: TypeAlias = Literal["answered", "length", "refused", "repeated_call"]
"""Only `answered` is an answer; the others say why there will be none, or none that is whole."""

Limit: TypeAlias = Literal["steps", "seconds", "tokens"]


@dataclass(frozen=True, slots=True)
class ModelStarted:
    """A model is about to be asked. A step is one model call and the tool calls it leads to."""

    step: int
    model: str
    kind: Literal["model_started"] = "model_started"


@dataclass(frozen=True, slots=True)
class ModelReplied:
    """The model answered; its tool calls, if any, come next."""

    step: int
    reply: Reply
    kind: Literal["model_replied"] = "model_replied"


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A call was scheduled. Whether it is allowed is known when it finishes."""

    step: int
    call: ToolCall
    effect: Effect
    kind: Literal["tool_started"] = "tool_started"


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """What the model will be shown of the call, and who decided whether it ran."""

    step: int
    call: ToolCall
    observation: ToolMessage
    decision: Decision
    kind: Literal["tool_finished"] = "tool_finished"


@dataclass(frozen=True, slots=True)
class LimitReached:
    """The run was ended by a limit; `LimitExceeded` is raised right after this event."""

    step: int
    limit: Limit
    detail: str
    kind: Literal["limit_reached"] = "limit_reached"


@dataclass(frozen=True, slots=True)
class Finished:
    """The run ended by itself. `output` is the answer only when `reason` is `answered`."""

    output: str
    steps: int
    usage: Usage
    reason: FinishReason
    structured: Any = None
    kind: Literal["finished"] = "finished"


Event: TypeAlias = (
    ModelStarted | ModelReplied | ToolStarted | ToolFinished | LimitReached | Finished
)


def event_from_json(data: JsonValue) -> Event:
    """The event of whichever kind `data` says it is; `messages.to_json` is the other way."""
    event: Event = adapter(Event).validate_python(data)
    return event
