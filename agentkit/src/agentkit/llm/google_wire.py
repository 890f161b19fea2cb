"""The Gemini API's answers as ours."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from agentkit.errors import ModelMisbehaved
from agentkit.llm.failures import HttpFailure, quoted
from agentkit.llm.google_messages import SIGNATURE
from agentkit.llm.replies import stop_for, tool_call, whole
from agentkit.messages import AssistantMessage, Reasoning, Reply, Stop, ToolCall, Usage

if TYPE_CHECKING:
    from google.genai.types import GenerateContentResponse, Part

_STOPS: dict[str, Stop] = {
    "STOP": "end",
    "MAX_TOKENS": "length",
    # More would come for another request, which the SDK is told not to make by itself.
    "CONTINUATION": "length",
    "SAFETY": "refused",
    "RECITATION": "refused",
    "LANGUAGE": "refused",
    "BLOCKLIST": "refused",
    "PROHIBITED_CONTENT": "refused",
    "SPII": "refused",
    "IMAGE_SAFETY": "refused",
    "IMAGE_PROHIBITED_CONTENT": "refused",
    "IMAGE_RECITATION": "refused",
    "MODEL_ARMOR": "refused",
}
"""The others say that the model broke down (MALFORMED_FUNCTION_CALL, OTHER, …): no answer."""


def from_wire(response: GenerateContentResponse, asked_model: str, provider: str) -> Reply:
    """The one candidate of a response, not priced yet.

    Raises ModelMisbehaved when it is not a whole answer, Refused when the prompt was blocked.
    """
    _check_prompt(response, provider)
    if not response.candidates:
        raise ModelMisbehaved(
            "The model's server answered without any candidate: try again, or check that base_url "
            "is the root of the Gemini API, without v1beta."
        )
    candidate = response.candidates[0]
    reason = candidate.finish_reason
    stop = stop_for(None if reason is None else str(reason.value), _STOPS)
    parts = (candidate.content and candidate.content.parts) or []
    calls, reasoning = _calls(parts, provider)
    text = "".join(part.text for part in parts if part.text and not part.thought)
    if stop == "refused" and not text:
        text = candidate.finish_message or ""
    answer = AssistantMessage(text, calls, (*_thoughts(parts, provider), *reasoning))
    return whole(answer, used(response), stop, response.model_version or asked_model)


def _check_prompt(response: GenerateContentResponse, provider: str) -> None:
    feedback = response.prompt_feedback
    if feedback is None or feedback.block_reason is None:
        return
    said = f"{feedback.block_reason.value}. {feedback.block_reason_message or ''}"
    raise HttpFailure(provider, 200, quoted(said, "")).refused()


def _calls(parts: list[Part], provider: str) -> tuple[tuple[ToolCall, ...], tuple[Reasoning, ...]]:
    """The calls, and the signatures that go back with them."""
    calls, signatures = [], []
    for part in parts:
        wanted = part.function_call
        if wanted is None:
            continue
        # Older models give no ids; tool_call makes one.
        call = tool_call(wanted.id, wanted.name, json.dumps(wanted.args or {}))
        calls.append(call)
        if part.thought_signature:
            data = {"on": "call", "id": call.id, **_signature(part)}
            signatures.append(Reasoning("", provider, data))
    return tuple(calls), tuple(signatures)


def _thoughts(parts: list[Part], provider: str) -> list[Reasoning]:
    """Thoughts as one text each, and the signatures of thoughts and of the answer."""
    kept = []
    for part in parts:
        if part.function_call is not None:
            continue
        if part.thought and (part.text or part.thought_signature):
            data = {"on": "thought", **_signature(part)} if part.thought_signature else None
            kept.append(Reasoning(part.text or "", provider, data))
        elif part.thought_signature:
            kept.append(Reasoning("", provider, {"on": "text", **_signature(part)}))
    return kept


def _signature(part: Part) -> dict[str, str]:
    return {SIGNATURE: base64.b64encode(part.thought_signature or b"").decode()}


def used(response: GenerateContentResponse) -> Usage:
    """The tokens of a response; zeros when the server does not count, or counts below zero.

    The API counts thoughts apart from the answer, and the results of its own tools from the prompt.
    """
    usage = response.usage_metadata
    if usage is None:
        return Usage()
    thoughts = _count(usage.thoughts_token_count)
    return Usage(
        _count(usage.prompt_token_count) + _count(usage.tool_use_prompt_token_count),
        _count(usage.candidates_token_count) + thoughts,
        cached_tokens=_count(usage.cached_content_token_count),
        reasoning_tokens=thoughts,
    )


def _count(counted: int | None) -> int:
    return max(0, counted or 0)
