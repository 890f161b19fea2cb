"""The chunks of a streamed chat completion, added up to the completion they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from agentkit.messages import Delta, ReasoningDelta, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

_GROWING = ("text", "summary")
"""Fields of a reasoning detail that come in pieces; the others come once."""


class Accumulated:
    """Adds chunks up; `completion()` is what `openai_reply.from_wire` reads, so there is one parser.

    A stream that was cut has no finish reason, and `from_wire` says so.
    """

    def __init__(self) -> None:
        self._message = SimpleNamespace(
            content="", refusal="", reasoning="", reasoning_content="", reasoning_details=[]
        )
        self._calls: list[SimpleNamespace] = []
        self._choice: Any = None
        self._finish_reason: str | None = None
        self._model: str | None = None
        self._usage: Any = None

    def add(self, chunk: ChatCompletionChunk) -> Iterator[Delta]:
        """Take one chunk in, and give what it brings. Raises TypeError for one that is no object."""
        if isinstance(chunk, str | int | float | list | None):
            raise TypeError(chunk)
        self._usage = getattr(chunk, "usage", None) or self._usage
        self._model = getattr(chunk, "model", None) or self._model
        for choice in (getattr(chunk, "choices", None) or ())[:1]:
            self._choice = choice
            self._finish_reason = choice.finish_reason or self._finish_reason
            if choice.delta is not None:
                yield from self._delta(choice.delta)

    def completion(self) -> ChatCompletion:
        """All chunks as one completion, in the shape of the SDK's."""
        choices = []
        if self._choice is not None:
            self._message.tool_calls = self._calls
            error = getattr(self._choice, "error", None)
            choices = [
                SimpleNamespace(
                    message=self._message, finish_reason=self._finish_reason, error=error
                )
            ]
        return cast(
            "ChatCompletion",
            SimpleNamespace(choices=choices, usage=self._usage, model=self._model),
        )

    def _delta(self, delta: Any) -> Iterator[Delta]:
        for name in ("content", "refusal", "reasoning", "reasoning_content"):
            grown = getattr(self._message, name) + (getattr(delta, name, None) or "")
            setattr(self._message, name, grown)
        for detail in getattr(delta, "reasoning_details", None) or ():
            self._detail(detail)
        # The last two are not in OpenAI's own dialect; OpenRouter and llama.cpp stream thoughts so.
        if thought := getattr(delta, "reasoning", None) or getattr(
            delta, "reasoning_content", None
        ):
            yield ReasoningDelta(thought)
        if text := getattr(delta, "content", None):
            yield TextDelta(text)
        for piece in getattr(delta, "tool_calls", None) or ():
            yield self._call(piece)

    def _detail(self, detail: dict[str, Any]) -> None:
        """Add a piece of thought to the last one, when it continues that."""
        details = self._message.reasoning_details
        if not details or not _continues(details[-1], detail):
            details.append(dict(detail))
            return
        for name, value in detail.items():
            if value is not None:
                before = details[-1].get(name) or ""
                details[-1][name] = before + value if name in _GROWING else value

    def _call(self, piece: Any) -> ToolCallDelta:
        function = getattr(piece, "function", None)
        name, written = getattr(function, "name", None), getattr(function, "arguments", None)
        index = self._place(piece)
        call = self._calls[index]
        call.id = piece.id or call.id
        call.function.name = name or call.function.name
        call.function.arguments += written or ""
        return ToolCallDelta(index, piece.id or "", name or "", written or "")

    def _place(self, piece: Any) -> int:
        """Which of the calls a piece belongs to, in the order in which they began.

        Some servers give no index, or the same one to each of several whole calls: another id is
        another call.
        """
        index = getattr(piece, "index", None)
        for place in reversed(range(len(self._calls))):
            call = self._calls[place]
            same_index = index is None or call.index == index
            if same_index and (not piece.id or call.id in ("", piece.id)):
                return place
        empty = SimpleNamespace(name="", arguments="")
        self._calls.append(SimpleNamespace(index=index, id="", function=empty))
        return len(self._calls) - 1


def _continues(last: dict[str, Any], detail: dict[str, Any]) -> bool:
    return (
        detail.get("type") == last.get("type")
        and detail.get("index") == last.get("index")
        and detail.get("id") in (None, last.get("id"))
        and any(name in detail for name in _GROWING)
    )
