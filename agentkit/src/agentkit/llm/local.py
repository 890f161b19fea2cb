"""A small model in this process: no key, no server, no network. A toy that proves the path."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, assert_never

from agentkit.llm import local_prompts
from agentkit.llm.llama import Generated, Llama, weights_path
from agentkit.llm.port import ModelRequest
from agentkit.llm.provider import ProviderClient
from agentkit.llm.retry import RetryPolicy
from agentkit.messages import (
    AssistantMessage,
    Delta,
    Message,
    Reply,
    Stop,
    SystemMessage,
    TextDelta,
    ToolCall,
    ToolMessage,
    ToolSpec,
    Usage,
    UserMessage,
)
from agentkit.output import OutputSpec

DEFAULT_MAX_TOKENS = 256


def half_the_cores() -> int:
    """A default for `threads`.

    llama.cpp's threads wait for each other by spinning: with as many of them as cores, beside a
    database and a server, a reply took ten times as long (20 s instead of 2 s on two cores).
    """
    return max(1, (os.cpu_count() or 1) // 2)


class LocalLlm(ProviderClient):
    """A GGUF model run by llama.cpp; SmolLM2-135M when no `model_path` is given.

    Such models know nothing of tool calling, so they are driven by few-shot examples and grammars:
    at most one call for a request, and then an answer that starts with the observation. The model
    is loaded on first use. It always takes its most likely token, so the same request gets the same
    reply; `temperature`, `top_p` and `seed` have no effect. `threads` defaults to half the cores;
    give each process its share of them when several run one.
    Raises UsageError when there are no weights.
    """

    def __init__(self, model_path: Path | None = None, threads: int | None = None) -> None:
        path = model_path or weights_path()
        # What a model in this process fails at, it fails at again: it is asked once.
        super().__init__(path.stem, "local", RetryPolicy(attempts=1))
        self._llama = Llama(path, threads or half_the_cores())

    async def aclose(self) -> None:
        """Nothing to close: the model stays loaded for as long as the process runs."""

    async def _complete(self, request: ModelRequest) -> Reply:
        """A cancelled call ends at once, its thread when its tokens are written."""
        return await asyncio.to_thread(self._answered, request)

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        """The runtime gives a text when it is whole, so there is one delta."""
        reply = await self._complete(request)
        if reply.message.text:
            yield TextDelta(reply.message.text)
        yield reply

    def _answered(self, request: ModelRequest) -> Reply:
        messages, tools = request.messages, request.tools
        exchange = _Exchange(
            self._llama, self.model, request.settings.max_tokens or DEFAULT_MAX_TOKENS
        )
        asked = next(
            (message.text for message in reversed(messages) if isinstance(message, UserMessage)), ""
        )
        last = messages[-1]
        if request.output is not None and not tools:
            return exchange.fill_in(messages, request.output)
        if isinstance(last, ToolMessage):
            return exchange.answer(last, asked)
        chosen = exchange.choose(tools, asked) if tools else None
        if chosen is None:
            return exchange.talk(messages)
        return exchange.call(chosen, asked)


class _Exchange:
    """One `complete`: the questions it takes, and the tokens they cost together."""

    def __init__(self, llama: Llama, model: str, max_tokens: int) -> None:
        self._llama = llama
        self._model = model
        self._max_tokens = max_tokens
        self._usage = Usage.none()

    def choose(self, tools: Sequence[ToolSpec], request: str) -> ToolSpec | None:
        """The tool the model picks, or None when it would rather answer in words."""
        prompt, grammar = local_prompts.choose(tools, request)
        name = self._complete(prompt, grammar=grammar).text.strip()
        return next((tool for tool in tools if tool.name == name), None)

    def call(self, tool: ToolSpec, request: str) -> Reply:
        """A call of the tool with the arguments the model writes."""
        prompt, schema = local_prompts.arguments(tool, request)
        written = self._complete(prompt, json_schema=schema).text
        try:
            call = ToolCall("call_1", tool.name, json.loads(written))
        except ValueError:
            # The tokens ended inside the JSON; the observation says so.
            call = ToolCall("call_1", tool.name, {}, malformed=written)
        return Reply(AssistantMessage("", (call,)), self._usage, "tool_calls", self._model)

    def answer(self, observation: ToolMessage, request: str) -> Reply:
        """What the model makes of the observation, repeating it first."""
        prompt, grammar = local_prompts.answer(observation.tool, request, observation.text)
        return self._reply(self._complete(prompt, grammar=grammar))

    def fill_in(self, messages: Sequence[Message], output: OutputSpec) -> Reply:
        """An answer that a grammar keeps within the schema."""
        chat = [_chat_message(message) for message in messages]
        ask = partial(self._llama.chat, chat, json_schema=output.schema)
        return self._reply(self._counted(ask))

    def talk(self, messages: Sequence[Message]) -> Reply:
        """An answer in words, in the model's own chat template."""
        chat = [_chat_message(message) for message in messages]
        return self._reply(self._counted(partial(self._llama.chat, chat)))

    def _complete(self, prompt: str, **grammar: Any) -> Generated:
        return self._counted(partial(self._llama.complete, prompt, **grammar))

    def _counted(self, ask: partial[Generated]) -> Generated:
        generated = ask(max_tokens=self._max_tokens)
        self._usage += Usage(generated.input_tokens, generated.output_tokens, Decimal(0))
        return generated

    def _reply(self, generated: Generated) -> Reply:
        stop: Stop = "length" if generated.cut else "end"
        return Reply(AssistantMessage(generated.text.strip()), self._usage, stop, self._model)


def _chat_message(message: Message) -> dict[str, str]:
    match message:
        case SystemMessage(text):
            return {"role": "system", "content": text}
        case UserMessage(text):
            return {"role": "user", "content": text}
        case AssistantMessage(text):
            return {"role": "assistant", "content": text}
        case ToolMessage(_, _, text):
            return {"role": "user", "content": f"Result: {text}"}
        case _:
            assert_never(message)
