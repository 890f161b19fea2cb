"""What the Gemini API answers, for a `ChatServer`: whole, or as a stream of chunks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agentkit.testing.chat_server import HttpReply

MODEL = "gemini-2.5-flash"

_USAGE = {"promptTokenCount": 20, "candidatesTokenCount": 10, "totalTokenCount": 30}


def response(
    text: str | None = None,
    *,
    calls: Sequence[tuple[str, dict[str, Any]]] = (),
    before: Sequence[dict[str, Any]] = (),
    finish_reason: str | None = "STOP",
    **other: Any,
) -> HttpReply:
    """A response of 20 input and 10 output tokens.

    `calls` are tool names and arguments, `before` are parts that come first, as thoughts do.
    `other` replaces fields of the response.
    """
    whole = _chunk(_parts(text, calls, before), finish_reason, usageMetadata=_USAGE)
    return HttpReply(200, json.dumps({**whole, **other}).encode())


def response_chunks(
    text: str | None = None,
    *,
    calls: Sequence[tuple[str, dict[str, Any]]] = (),
    before: Sequence[dict[str, Any]] = (),
    finish_reason: str | None = "STOP",
) -> tuple[str, ...]:
    """The same response as the chunks of its stream, the data of `Events`: a part or half a text
    each, then the rest.
    """
    parts = [piece for part in _parts(text, calls, before) for piece in _in_pieces(part)]
    chunks = [_chunk([part], None) for part in parts]
    last = _chunk([{"text": ""}], finish_reason, usageMetadata=_USAGE)
    return tuple(map(json.dumps, [*chunks, last]))


def response_failure(
    status: int,
    kind: str = "INTERNAL",
    said: str = "no",
    headers: dict[str, str] | None = None,
    **other: Any,
) -> HttpReply:
    """An error in Google's form; `kind` as in `RESOURCE_EXHAUSTED`."""
    error = {"code": status, "message": said, "status": kind, **other}
    return HttpReply(status, json.dumps({"error": error}).encode(), headers or {})


def _parts(
    text: str | None,
    calls: Sequence[tuple[str, dict[str, Any]]],
    before: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    said = [] if text is None else [{"text": text}]
    made = [{"functionCall": {"name": name, "args": arguments}} for name, arguments in calls]
    return [*before, *said, *made]


def _chunk(parts: list[dict[str, Any]], finish_reason: str | None, **other: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish_reason is not None:
        candidate["finishReason"] = finish_reason
    return {"candidates": [candidate], "modelVersion": MODEL, **other}


def _in_pieces(part: dict[str, Any]) -> list[dict[str, Any]]:
    text = part.get("text")
    if not text or "thoughtSignature" in part:
        return [part]
    middle = len(text) // 2
    return [{**part, "text": half} for half in (text[:middle], text[middle:]) if half]
