"""The chunks of a streamed chat completion, added up to the completion they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from agentkit.messages import Delta, ReasoningDelta, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk


class Accumulated:
    """Adds chunks up; `completion()` is what `openai_wire.from_wire` reads, so there is one parser.

    A stream that was cut has no finish reason, and `from_wire` says so.
    """

    def __init__(self) -> None:
        self._text = ""
        self._refusal = ""
        self._calls: dict[int, SimpleNamespace] = {}
        self._finish_reason: str | None = None
        self._model: str | None = None
        self._usage: Any = None
        self._began = False

    def add(self, chunk: ChatCompletionChunk) -> Iterator[Delta]:
        """Take one chunk in, and give what it brings."""
        self._usage = getattr(chunk, "usage", None) or self._usage
        self._model = getattr(chunk, "model", None) or self._model
        for choice in (getattr(chunk, "choices", None) or ())[:1]:
            self._began = True
            self._finish_reason = choice.finish_reason or self._finish_reason
            if choice.delta is not None:
                yield from self._delta(choice.delta)

    def completion(self) -> ChatCompletion:
        """All chunks as one completion, in the shape of the SDK's."""
        message = SimpleNamespace(
            content=self._text,
            refusal=self._refusal or None,
            tool_calls=[self._calls[index] for index in sorted(self._calls)],
        )
        choice = SimpleNamespace(message=message, finish_reason=self._finish_reason)
        return cast(
            "ChatCompletion",
            SimpleNamespace(
                choices=[choice] if self._began else [], usage=self._usage, model=self._model
            ),
        )

    def _delta(self, delta: Any) -> Iterator[Delta]:
        if text := getattr(delta, "content", None):
            self._text += text
            yield TextDelta(text)
        # Not in OpenAI's own dialect; OpenRouter and llama.cpp stream thoughts so.
        if thought := getattr(delta, "reasoning", None) or getattr(
            delta, "reasoning_content", None
        ):
            yield ReasoningDelta(thought)
        self._refusal += getattr(delta, "refusal", None) or ""
        for piece in getattr(delta, "tool_calls", None) or ():
            yield self._call(piece)

    def _call(self, piece: Any) -> ToolCallDelta:
        function = getattr(piece, "function", None)
        name, written = getattr(function, "name", None), getattr(function, "arguments", None)
        empty = SimpleNamespace(id="", function=SimpleNamespace(name="", arguments=""))
        call = self._calls.setdefault(piece.index, empty)
        call.id = piece.id or call.id
        call.function.name = name or call.function.name
        call.function.arguments += written or ""
        return ToolCallDelta(piece.index, piece.id or "", name or "", written or "")
