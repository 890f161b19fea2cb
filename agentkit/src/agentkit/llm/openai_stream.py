"""The chunks of a streamed chat completion, added up to the completion they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentkit.llm.openai_reply import field
from agentkit.messages import Delta, ReasoningDelta, TextDelta, ToolCallDelta

_TEXTS = ("content", "refusal", "reasoning", "reasoning_content")
"""Fields of a message that grow with each delta."""

_GROWING = ("text", "summary")
"""Fields of a reasoning detail that come in pieces; the others come once."""


class Accumulated:
    """Adds chunks up; `completion()` is what `openai_reply.from_wire` reads, so there is one parser.

    A stream that was cut has no finish reason, and `from_wire` says so.
    """

    def __init__(self) -> None:
        self._said = dict.fromkeys(_TEXTS, "")
        self._details: list[dict[str, Any]] = []
        self._calls: list[dict[str, Any]] = []
        self._choice: object = None
        self._finish_reason: str | None = None
        self._model: str | None = None
        self._usage: Any = None

    def add(self, chunk: object) -> Iterator[Delta]:
        """Take one chunk in, and give what it brings. Raises TypeError for one that is no object."""
        if not isinstance(chunk, dict):
            raise TypeError(chunk)
        self._usage = chunk.get("usage") or self._usage
        self._model = chunk.get("model") or self._model
        for choice in (chunk.get("choices") or ())[:1]:
            self._choice = choice
            self._finish_reason = field(choice, "finish_reason") or self._finish_reason
            yield from self._delta(field(choice, "delta"))

    def completion(self) -> dict[str, Any]:
        """All chunks as one completion."""
        choices = []
        if self._choice is not None:
            details = {"reasoning_details": self._details, "tool_calls": self._calls}
            choice = {"message": self._said | details, "finish_reason": self._finish_reason}
            choices = [choice | {"error": field(self._choice, "error")}]
        return {"choices": choices, "usage": self._usage, "model": self._model}

    def _delta(self, delta: object) -> Iterator[Delta]:
        for name in _TEXTS:
            self._said[name] += field(delta, name) or ""
        for detail in field(delta, "reasoning_details") or ():
            self._detail(detail)
        # The last two are not in OpenAI's own dialect; OpenRouter and llama.cpp stream thoughts so.
        if thought := field(delta, "reasoning") or field(delta, "reasoning_content"):
            yield ReasoningDelta(thought)
        if text := field(delta, "content"):
            yield TextDelta(text)
        for piece in field(delta, "tool_calls") or ():
            yield self._call(piece)

    def _detail(self, detail: dict[str, Any]) -> None:
        """Add a piece of thought to the last one, when it continues that."""
        details = self._details
        if not details or not _continues(details[-1], detail):
            details.append(dict(detail))
            return
        for name, value in detail.items():
            if value is not None:
                before = details[-1].get(name) or ""
                details[-1][name] = before + value if name in _GROWING else value

    def _call(self, piece: object) -> ToolCallDelta:
        id_, function = field(piece, "id") or "", field(piece, "function")
        name, written = field(function, "name") or "", field(function, "arguments") or ""
        place = self._place(id_, field(piece, "index"))
        call = self._calls[place]
        call["id"] = id_ or call["id"]
        call["function"]["name"] = name or call["function"]["name"]
        call["function"]["arguments"] += written
        return ToolCallDelta(place, id_, name, written)

    def _place(self, id_: str, index: int | None) -> int:
        """Which of the calls a piece belongs to, in the order in which they began.

        Some servers give no index, or the same one to each of several whole calls: another id is
        another call.
        """
        for place in reversed(range(len(self._calls))):
            call = self._calls[place]
            same_index = index is None or call["index"] == index
            if same_index and (not id_ or call["id"] in ("", id_)):
                return place
        empty = {"name": "", "arguments": ""}
        self._calls.append({"index": index, "id": "", "function": empty})
        return len(self._calls) - 1


def _continues(last: dict[str, Any], detail: dict[str, Any]) -> bool:
    return (
        detail.get("type") == last.get("type")
        and detail.get("index") == last.get("index")
        and detail.get("id") in (None, last.get("id"))
        and any(name in detail for name in _GROWING)
    )
