"""What Anthropic's Messages API answers, for a `ChatServer`: whole, or as a stream of events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from agentkit.testing.chat_server import HttpReply

MODEL = "claude-sonnet-5-5"

_USAGE = {"input_tokens": 20, "output_tokens": 10}


def message(
    text: str | None = None,
    *,
    calls: Sequence[tuple[str, dict[str, Any]]] = (),
    before: Sequence[dict[str, Any]] = (),
    stop_reason: str | None = "",
    **other: Any,
) -> HttpReply:
    """A message of 20 input and 10 output tokens.

    `calls` are tool names and arguments, `before` are blocks that come first, as thinking does.
    `stop_reason` is the right one for what is given; `other` replaces fields of the message.
    """
    whole = _message(_content(text, calls, before), stop_reason)
    return HttpReply(200, json.dumps({**whole, **other}).encode())


def message_events(
    text: str | None = None,
    *,
    calls: Sequence[tuple[str, dict[str, Any]]] = (),
    before: Sequence[dict[str, Any]] = (),
    stop_reason: str | None = "",
) -> tuple[str, ...]:
    """The same message as the events of its stream: the data of `Events`."""
    content = _content(text, calls, before)
    whole = _message(content, stop_reason)
    ending = {"stop_reason": whole.pop("stop_reason"), "stop_sequence": None}
    start = {**whole, "content": [], "stop_reason": None, "usage": {**_USAGE, "output_tokens": 1}}
    events = [
        {"type": "message_start", "message": start},
        *(event for index, block in enumerate(content) for event in _block_events(index, block)),
        {"type": "message_delta", "delta": ending, "usage": {"output_tokens": 10}},
        {"type": "message_stop"},
    ]
    return tuple(map(named, events))


def named(event: dict[str, Any]) -> str:
    """The data of one event, and its name: the SDK passes over events without one."""
    return f"{json.dumps(event)}\nevent: {event['type']}"


def message_failure(
    status: int,
    kind: str = "api_error",
    said: str = "no",
    headers: dict[str, str] | None = None,
) -> HttpReply:
    """An error in Anthropic's form; `kind` as in `overloaded_error`."""
    body = {"type": "error", "error": {"type": kind, "message": said}}
    return HttpReply(status, json.dumps(body).encode(), headers or {})


def _content(
    text: str | None,
    calls: Sequence[tuple[str, dict[str, Any]]],
    before: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    said = [] if text is None else [{"type": "text", "text": text}]
    made = [
        {"type": "tool_use", "id": f"id_{order}", "name": name, "input": arguments}
        for order, (name, arguments) in enumerate(calls, start=1)
    ]
    return [*before, *said, *made]


def _message(content: list[dict[str, Any]], stop_reason: str | None) -> dict[str, Any]:
    called = any(block["type"] == "tool_use" for block in content)
    right = "tool_use" if called else "end_turn"
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": content,
        "stop_reason": right if stop_reason == "" else stop_reason,
        "stop_sequence": None,
        "usage": _USAGE,
    }


def _block_events(index: int, block: dict[str, Any]) -> Iterable[dict[str, Any]]:
    empty, deltas = _in_pieces(block)
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _in_pieces(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The block as it begins, and what it is then made of: two halves of its text."""
    match block["type"]:
        case "text":
            halves = [{"type": "text_delta", "text": half} for half in _halves(block["text"])]
            return {**block, "text": ""}, halves
        case "tool_use":
            pieces = [
                {"type": "input_json_delta", "partial_json": half}
                for half in _halves(json.dumps(block["input"]))
            ]
            return {**block, "input": {}}, pieces
        case "thinking":
            thoughts = [
                {"type": "thinking_delta", "thinking": half} for half in _halves(block["thinking"])
            ]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*thoughts, signed]
        case _:
            return block, []


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [half for half in (text[:middle], text[middle:]) if half]
