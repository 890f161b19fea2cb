"""A model whose every reply is written down beforehand."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from agentkit.llm import ModelRequest, ModelSettings
from agentkit.llm.port import DEFAULT_SETTINGS
from agentkit.llm.structured import fitting
from agentkit.messages import (
    AssistantMessage,
    Delta,
    Message,
    Reply,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    Usage,
)
from agentkit.output import OutputSpec

_USAGE = Usage(10, 5, None)


Line: TypeAlias = Reply | str | BaseException | Callable[[ModelRequest], Reply]


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
        self.requests: list[ModelRequest] = []
        self.asked = asyncio.Event()
        self._gate = gate
        self._script = iter(script)

    async def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> Reply:
        """Play the next line. Raises AssertionError when the script is over."""
        request = ModelRequest(tuple(messages), tuple(tools), output, settings)
        return await fitting(request, await self._play(request), self._play)

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> AsyncGenerator[Delta | Reply, None]:
        """Play the next line, its text word by word, its calls one by one."""
        reply = await self.complete(messages, tools, output, settings)
        for delta in deltas_of(reply):
            yield delta
        yield reply

    async def _play(self, request: ModelRequest) -> Reply:
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


def deltas_of(reply: Reply) -> Iterator[Delta]:
    """The pieces in which a reply may have been written: word by word, then call by call."""
    for word in re.findall(r"\s*\S+|\s+$", reply.message.text):
        yield TextDelta(word)
    for index, call in enumerate(reply.message.tool_calls):
        yield ToolCallDelta(index, call.id, call.tool, json.dumps(call.arguments))


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
