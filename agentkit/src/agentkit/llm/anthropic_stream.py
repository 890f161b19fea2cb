"""The events of a streamed message, added up to the message they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from agentkit.errors import ModelMisbehaved
from agentkit.messages import Delta, ReasoningDelta, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from anthropic.types import Message, RawMessageStreamEvent

_EMPTY = {"type": "", "text": "", "thinking": "", "signature": "", "id": "", "name": ""}
"""What a block may leave out when it begins."""


class Accumulated:
    """Adds events up; `message()` is what `anthropic_wire.from_wire` reads, so there is one parser.

    A stream that was cut has no stop reason, and `from_wire` says so.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, SimpleNamespace] = {}
        self._ending: Any = None
        self._model: str | None = None
        self._usage = SimpleNamespace()

    def add(self, event: RawMessageStreamEvent) -> Iterator[Delta]:
        """Take one event in, and give what it brings."""
        match getattr(event, "type", None), cast("Any", event):
            case "message_start", started:
                self._model = getattr(started.message, "model", None)
                self._count(getattr(started.message, "usage", None))
            case "content_block_start", started:
                yield from self._begin(started.index, started.content_block)
            case "content_block_delta", piece:
                yield from self._delta(piece.index, piece.delta)
            case "message_delta", ending:
                self._ending = ending.delta
                self._count(getattr(ending, "usage", None))
            case _:
                pass  # the end of a block or of the message brings nothing new

    def message(self) -> Message:
        """All events as one message, in the shape of the SDK's."""
        whole = SimpleNamespace(
            content=[self._blocks[index] for index in sorted(self._blocks)],
            stop_reason=getattr(self._ending, "stop_reason", None),
            stop_details=getattr(self._ending, "stop_details", None),
            model=self._model,
            usage=self._usage,
        )
        return cast("Message", whole)

    def _count(self, usage: Any) -> None:
        # Counts are cumulative, and the last event repeats only some of them.
        for name, count in dict(usage or ()).items():
            if count is not None:
                setattr(self._usage, name, count)

    def _begin(self, index: int, block: Any) -> Iterator[Delta]:
        kept = SimpleNamespace(**{**_EMPTY, **dict(block)})
        self._blocks[index] = kept
        if kept.type == "tool_use":
            # What comes is JSON in the making; the {} here only says that there will be some.
            kept.input = ""
            yield ToolCallDelta(self._order(index), kept.id or "", kept.name or "")
        elif kept.type == "text" and kept.text:
            yield TextDelta(kept.text)

    def _delta(self, index: int, delta: Any) -> Iterator[Delta]:
        block = self._blocks.get(index)
        if block is None:
            raise ModelMisbehaved("The model's stream continues what it never began: try again.")
        match getattr(delta, "type", None):
            case "text_delta":
                block.text += delta.text
                yield TextDelta(delta.text)
            case "thinking_delta":
                block.thinking += delta.thinking
                yield ReasoningDelta(delta.thinking)
            case "signature_delta":
                block.signature = delta.signature
            case "input_json_delta":
                block.input += delta.partial_json
                yield ToolCallDelta(self._order(index), arguments=delta.partial_json)
            case _:
                pass  # citations and whatever is invented next are not part of a reply

    def _order(self, index: int) -> int:
        """Which of the reply's calls the block is."""
        return sum(1 for at, one in self._blocks.items() if at < index and one.type == "tool_use")
