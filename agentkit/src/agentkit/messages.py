"""What a conversation is made of, in no provider's dialect.

`Message`, `Attachment` and `Delta` are closed unions: every place that translates one ends in
`assert_never`, so a new kind breaks the type check in each provider that must learn it. All classes
are frozen and turn into plain JSON and back (`to_json`, `from_json`), because a journal stores them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

from agentkit.wire import adapter, from_json, to_json

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = [
    "AssistantMessage",
    "Attachment",
    "Delta",
    "Effect",
    "FilePart",
    "ImagePart",
    "Label",
    "Message",
    "Reasoning",
    "ReasoningDelta",
    "Reply",
    "Stop",
    "SystemMessage",
    "TextDelta",
    "ToolCall",
    "ToolCallDelta",
    "ToolMessage",
    "ToolSpec",
    "Usage",
    "UserMessage",
    "clean",
    "from_json",
    "labels_of",
    "message_from_json",
    "to_json",
]

Stop: TypeAlias = Literal["end", "tool_calls", "length", "refused"]
"""Why a model stopped writing; `length` means it was cut, `refused` that it declined."""

Effect: TypeAlias = Literal["pure", "idempotent", "unsafe"]
"""What calling a tool twice would do: nothing new, nothing new under one key, or harm."""


Source: TypeAlias = Literal["operator", "user", "model", "agent", "tool", "memory"]
"""Who wrote a part of a conversation."""


@dataclass(frozen=True, slots=True)
class Label:
    """Where a part of a conversation comes from; `name` says which tool, server or memory."""

    source: Source
    name: str = ""

    @property
    def trusted(self) -> bool:
        """Whether its words carry authority: what a model, a tool or a memory says has none."""
        return self.source in ("operator", "user")


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture, as base64 `data` or by its `url`; `media_type` as in `image/png`."""

    media_type: str
    data: str | None = None
    url: str | None = None
    label: Label = Label("user")
    kind: Literal["image"] = "image"


@dataclass(frozen=True, slots=True)
class FilePart:
    """A document, as base64 `data`; `media_type` as in `application/pdf`."""

    media_type: str
    data: str
    name: str = "document"
    label: Label = Label("user")
    kind: Literal["file"] = "file"


Attachment: TypeAlias = ImagePart | FilePart


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought before it spoke. `text` is what it lets us read, perhaps nothing.

    `data` is the provider's own form of it, signed or encrypted: it goes back, as it came, to the
    provider of that name and to no other.
    """

    text: str
    provider: str
    data: dict[str, Any] | None = None


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
    """What the user wants, with pictures and documents; trusted unless labelled otherwise."""

    text: str
    attachments: tuple[Attachment, ...] = ()
    label: Label = Label("user")
    kind: Literal["user"] = "user"


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """What the model said. With tool calls, `text` is its thought; without, its answer."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: tuple[Reasoning, ...] = ()
    kind: Literal["assistant"] = "assistant"


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """What the model is shown of one tool call: an observation; untrusted."""

    call_id: str
    tool: str
    text: str
    is_error: bool = False
    label: Label = Label("tool")
    kind: Literal["tool"] = "tool"


Message: TypeAlias = SystemMessage | UserMessage | AssistantMessage | ToolMessage


def labels_of(messages: Iterable[Message]) -> frozenset[Label]:
    """Where the words of a conversation come from.

    What the model said is not among them: it had it from what it was shown, which is.
    """
    labels: set[Label] = set()
    for message in messages:
        match message:
            case SystemMessage():
                labels.add(Label("operator"))
            case UserMessage(attachments=attachments, label=label):
                labels |= {label, *(attachment.label for attachment in attachments)}
            case ToolMessage(label=label):
                labels.add(label)
            case AssistantMessage():
                pass
            case _:
                assert_never(message)
    return frozenset(labels)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told of a tool; `parameters` is the JSON Schema of its arguments.

    `label` says who wrote the description and the schema.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    label: Label = Label("operator")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money of one call, or of many added up.

    `cost_usd` is None when the price is not known: a sum with an unknown part is unknown, never
    silently too small. A model that runs on the caller's machine costs `Decimal(0)`. Cached tokens
    are among the input, reasoning tokens among the output.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @classmethod
    def none(cls) -> Usage:
        """Nothing used yet: no tokens and, known for certain, no money."""
        return _NOTHING_USED

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
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


_NOTHING_USED = Usage(0, 0, Decimal(0))
"""One for all: each run that waits for its first reply holds it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished answer of a model; `model` is the name the provider answered with.

    `structured` is the answer as JSON when an `OutputSpec` was asked for, valid under its schema;
    None when none was, or when the model called tools instead.
    """

    message: AssistantMessage
    usage: Usage
    stop: Stop
    model: str
    structured: Any = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of what the model thinks."""

    text: str
    kind: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call: `index` says which of the reply's, `arguments` is JSON in the making.

    `id` and `tool` are empty when the piece does not repeat them.
    """

    index: int
    id: str = ""
    tool: str = ""
    arguments: str = ""
    kind: Literal["tool_call"] = "tool_call"


Delta: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta
"""What `stream` gives before the Reply; adding it up is the Reply's work, never the listener's."""


def clean(text: str) -> str:
    """The text without what UTF-8, providers and stores cannot hold: halves of signs, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def message_from_json(data: JsonValue) -> Message:
    """The message of whichever kind `data` says it is."""
    message: Message = adapter(Message).validate_python(data)
    return message
