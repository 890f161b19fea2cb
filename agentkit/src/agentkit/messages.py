"""What a conversation is made of, in no provider's dialect.

`Message` is a closed union: every place that translates one ends in `assert_never`, so a new kind
of message breaks the type check in each provider that must learn it. All classes are frozen and
turn into plain JSON and back (`to_json`, `from_json`), because a journal stores them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agentkit.wire import adapter, from_json, to_json

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = [
    "AssistantMessage",
    "Effect",
    "Message",
    "Reply",
    "Stop",
    "SystemMessage",
    "ToolCall",
    "ToolMessage",
    "ToolSpec",
    "Usage",
    "UserMessage",
    "from_json",
    "message_from_json",
    "to_json",
]

Stop: TypeAlias = Literal["end", "tool_calls", "length", "refused"]
"""Why a model stopped writing; `length` means it was cut, `refused` that it declined."""

Effect: TypeAlias = Literal["pure", "idempotent", "unsafe"]
"""What calling a tool twice would do: nothing new, nothing new under one key, or harm."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool.

    `malformed` holds what the model wrote when it was not a JSON object; `arguments` is then empty
    and the model is told, instead of the run failing.
    """

    id: str
    tool: str
    arguments: dict[str, Any]
    malformed: str | None = None


@dataclass(frozen=True, slots=True)
class SystemMessage:
    """What the operator says to the model; trusted."""

    text: str
    kind: Literal["system"] = "system"


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What the user wants; trusted."""

    text: str
    kind: Literal["user"] = "user"


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """What the model said. With tool calls, `text` is its thought; without, its answer."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    kind: Literal["assistant"] = "assistant"


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """What the model is shown of one tool call: an observation; untrusted."""

    call_id: str
    tool: str
    text: str
    is_error: bool = False
    kind: Literal["tool"] = "tool"


Message: TypeAlias = SystemMessage | UserMessage | AssistantMessage | ToolMessage


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told of a tool; `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money of one call, or of many added up.

    `cost_usd` is None when the price is not known: a sum with an unknown part is unknown, never
    silently too small. A model that runs on the caller's machine costs `Decimal(0)`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None

    @classmethod
    def none(cls) -> Usage:
        """Nothing used yet: no tokens and, known for certain, no money."""
        return cls(0, 0, Decimal(0))

    @property
    def total_tokens(self) -> int:
        """What a token limit counts."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            (self.cost_usd or Decimal(0)) + (other.cost_usd or Decimal(0)) if known else None,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished answer of a model; `model` is the name the provider answered with."""

    message: AssistantMessage
    usage: Usage
    stop: Stop
    model: str


def message_from_json(data: JsonValue) -> Message:
    """The message of whichever kind `data` says it is."""
    message: Message = adapter(Message).validate_python(data)
    return message
