"""What a run tells its listeners: a closed union, in the order things happen.

    ModelStarted → MemoryUsed … → PromptBuilt → ModelDelta … → ModelReplied
    PlanMade → ToolStarted … → HandedOver … → ToolFinished …
    Finished | LimitReached

Tracing, cost, persistence and consoles listen to these; none of them is a line in the loop. Each
kind turns into plain JSON and back (`to_json`, `event_from_json`); fields are only ever added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agentkit.decisions import Decision
from agentkit.messages import Delta, Effect, Reply, ToolCall, ToolMessage, Usage
from agentkit.wire import adapter

if TYPE_CHECKING:
    from pydantic import JsonValue

FinishReason: TypeAlias = Literal[
    "answered", "length", "refused", "repeated_call", "invalid_plan", "plan_failed"
]
"""Only `answered` is an answer; the others say why there will be none, or none that is whole."""

Limit: TypeAlias = Literal["steps", "seconds", "tokens", "cost", "calls"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One call of a plan, as the model wrote it: references are not filled in yet.

    `after` names the steps that must come first, besides those that the arguments refer to.
    """

    id: str
    tool: str
    arguments: dict[str, Any]
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelStarted:
    """A model is about to be asked. A step is one model call and the tool calls it leads to."""

    step: int
    model: str
    kind: Literal["model_started"] = "model_started"


@dataclass(frozen=True, slots=True)
class MemoryUsed:
    """A memory has done something besides choosing: `action` is its own word, as in `summary`."""

    step: int
    action: str
    kind: Literal["memory_used"] = "memory_used"


@dataclass(frozen=True, slots=True)
class PromptBuilt:
    """How much the model is shown, and which tools it is offered; `tokens` is an estimate."""

    step: int
    messages: int
    tokens: int
    tools: tuple[str, ...]
    kind: Literal["prompt_built"] = "prompt_built"


@dataclass(frozen=True, slots=True)
class ModelDelta:
    """A piece of the reply, while it is written. Only when asked for, and never in a replay."""

    step: int
    delta: Delta
    kind: Literal["model_delta"] = "model_delta"


@dataclass(frozen=True, slots=True)
class ModelReplied:
    """The model answered; its tool calls, if any, come next."""

    step: int
    reply: Reply
    kind: Literal["model_replied"] = "model_replied"


@dataclass(frozen=True, slots=True)
class PlanMade:
    """A planner has made a plan, or another one after a failure; its first calls come next."""

    step: int
    plan: tuple[PlannedStep, ...]
    kind: Literal["plan_made"] = "plan_made"


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A call was scheduled. Whether it is allowed is known when it finishes."""

    step: int
    call: ToolCall
    effect: Effect
    kind: Literal["tool_started"] = "tool_started"


@dataclass(frozen=True, slots=True)
class HandedOver:
    """An event of an agent that runs inside the call `call_id`; `agent` is that agent's name.

    A call that is recorded is not run again, so its events are not told by a replay.
    """

    step: int
    call_id: str
    agent: str
    event: Event
    kind: Literal["handed_over"] = "handed_over"


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """What the model will be shown of the call, and who decided whether it ran.

    `usage` is what models have used inside the call, where the tool says so: an agent does.
    """

    step: int
    call: ToolCall
    observation: ToolMessage
    decision: Decision
    usage: Usage | None = None
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
    ModelStarted
    | MemoryUsed
    | PromptBuilt
    | ModelDelta
    | ModelReplied
    | PlanMade
    | ToolStarted
    | HandedOver
    | ToolFinished
    | LimitReached
    | Finished
)


def event_from_json(data: JsonValue) -> Event:
    """The event of whichever kind `data` says it is; `messages.to_json` is the other way."""
    event: Event = adapter(Event).validate_python(data)
    return event
