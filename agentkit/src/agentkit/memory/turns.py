"""A conversation in turns: what may be dropped is dropped whole, and no call is left without its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentkit.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)


def paired(messages: Sequence[Message]) -> list[Message]:
    """The conversation with each call directly followed by its one result; other calls and results
    are left out, because a provider refuses a conversation that has them, and every later one too.
    """
    whole: list[Message] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        if isinstance(message, AssistantMessage) and message.tool_calls:
            results: list[ToolMessage] = []
            while at < len(messages) and isinstance(result := messages[at], ToolMessage):
                results.append(result)
                at += 1
            whole += _matched(message, results)
        elif not isinstance(message, ToolMessage):
            whole.append(message)
    return whole


def split(messages: Sequence[Message]) -> tuple[list[Message], list[list[Message]]]:
    """The system message and the goal, then the turns that followed.

    A turn is a message of the model with all its observations, or any other message.
    """
    starts_at = 0
    while starts_at < len(messages) and isinstance(messages[starts_at], SystemMessage):
        starts_at += 1
    if starts_at < len(messages) and isinstance(messages[starts_at], UserMessage):
        starts_at += 1
    turns: list[list[Message]] = []
    for message in messages[starts_at:]:
        if isinstance(message, ToolMessage) and turns:
            turns[-1].append(message)
        else:
            turns.append([message])
    return list(messages[:starts_at]), turns


def _matched(message: AssistantMessage, results: Sequence[ToolMessage]) -> list[Message]:
    """The message with the calls that have a result, and the first result of each."""
    first: dict[str, ToolMessage] = {}
    for result in results:
        first.setdefault(result.call_id, result)
    calls: dict[str, ToolCall] = {}
    for call in message.tool_calls:
        if call.id in first:
            calls.setdefault(call.id, call)
    if len(calls) < len(message.tool_calls):
        message = replace(message, tool_calls=tuple(calls.values()))
    if not calls and not message.text:
        return []
    return [message, *(result for id_, result in first.items() if id_ in calls)]
