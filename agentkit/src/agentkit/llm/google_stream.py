"""The chunks of a streamed Gemini response, added up to the response they stand for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from agentkit.llm.replies import new_call_id
from agentkit.messages import Delta, ReasoningDelta, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from google.genai.types import GenerateContentResponse, Part


class Accumulated:
    """Adds chunks up; `response()` is what `google_wire.from_wire` reads, so there is one parser.

    A stream that was cut has no finish reason, and `from_wire` says so.
    """

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._calls = 0
        self._ending = SimpleNamespace(finish_reason=None, finish_message=None)
        self._began = False
        self._whole: dict[str, Any] = dict.fromkeys(
            ("prompt_feedback", "usage_metadata", "model_version")
        )

    def add(self, chunk: GenerateContentResponse) -> Iterator[Delta]:
        """Take one chunk in, and give what it brings."""
        for name in self._whole:
            self._whole[name] = getattr(chunk, name) or self._whole[name]
        for candidate in (chunk.candidates or ())[:1]:
            self._began = True
            if candidate.finish_reason is not None:
                self._ending = SimpleNamespace(
                    finish_reason=candidate.finish_reason, finish_message=candidate.finish_message
                )
            for part in (candidate.content and candidate.content.parts) or ():
                yield from self._delta(part)
                self._keep(part)

    def response(self) -> GenerateContentResponse:
        """All chunks as one response, in the shape of the SDK's."""
        self._ending.content = SimpleNamespace(parts=self._parts)
        candidates = [self._ending] if self._began else []
        return cast(
            "GenerateContentResponse", SimpleNamespace(candidates=candidates, **self._whole)
        )

    def _keep(self, part: Part) -> None:
        """Pieces of one text, or of one thought, are one part; a signature ends it."""
        before = self._parts[-1] if self._parts else None
        if before is not None and _continues(before, part):
            before.text = (before.text or "") + (part.text or "")
            before.thought_signature = part.thought_signature
        else:
            self._parts.append(part)

    def _delta(self, part: Part) -> Iterator[Delta]:
        call = part.function_call
        if call is not None:
            # Made here when it is missing, so that the reply has the same one.
            call.id = call.id or new_call_id()
            written = json.dumps(call.args or {})
            yield ToolCallDelta(self._calls, call.id, call.name or "", written)
            self._calls += 1
        elif part.text:
            yield ReasoningDelta(part.text) if part.thought else TextDelta(part.text)


def _continues(before: Part, part: Part) -> bool:
    return (
        before.text is not None
        and part.text is not None
        and bool(before.thought) == bool(part.thought)
        and before.thought_signature is None
    )
