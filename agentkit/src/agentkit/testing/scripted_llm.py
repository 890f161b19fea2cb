"""A model whose every reply is written down beforehand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentkit.llm import ModelSettings
from agentkit.messages import AssistantMessage, Message, Reply, ToolCall, ToolSpec, Usage

_USAGE = Usage(10, 5, None)


@dataclass(frozen=True, slots=True)
class Request:
    """What the model was asked."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    settings: ModelSettings


Line: TypeAlias = Reply | str | BaseException | Callable[[Request], Reply]


class ScriptedLlm:
    """Implements `LlmClient` from a script, one line for each call.

    A line is a Reply, a text (an answer), an exception to raise, or a function of the request.
    `requests` keeps what was asked. With a `gate`, each call waits until the gate is set, and
    `asked` is set once a call waits, so that a test can act while a model call is under way.
    """

    def __init__(
        self,
        script: Iterable[Line],
        *,
        model: str = "scripted",
        gate: asyncio.Event | None = None,
    ) -> None:
        self.model = model
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        self._gate = gate
        self._script = iter(script)

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], settings: ModelSettings
    ) -> Reply:
        """Play the next line. Raises AssertionError when the script is over."""
        request = Request(tuple(messages), tuple(tools), settings)
        self.requests.append(request)
        self.asked.set()
        if self._gate is not None:
            await self._gate.wait()
        try:
            line = next(self._script)
        except StopIteration:
            said = len(self.requests) - 1
            raise AssertionError(f"the script has {said} lines, and was asked for more") from None
        if isinstance(line, BaseException):
            raise line
        if isinstance(line, str):
            return answer(line)
        return line if isinstance(line, Reply) else line(request)


def answer(text: str, usage: Usage = _USAGE) -> Reply:
    """A reply that ends the run with `text`."""
    return Reply(AssistantMessage(text), usage, "end", "scripted")


def call(*calls: tuple[str, dict[str, Any]], thought: str = "", usage: Usage = _USAGE) -> Reply:
    """A reply that calls tools: `call(("add", {"a": 1}), ("add", {"a": 2}))`."""
    tool_calls = tuple(
        ToolCall(f"call_{order}", name, arguments)
        for order, (name, arguments) in enumerate(calls, start=1)
    )
    return Reply(AssistantMessage(thought, tool_calls), usage, "tool_calls", "scripted")
