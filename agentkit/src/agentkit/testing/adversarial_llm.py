"""A model that is wholly in an attacker's hands: it calls every tool with every value it has seen."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from agentkit.llm import ModelSettings
from agentkit.messages import (
    AssistantMessage,
    Delta,
    Message,
    Reply,
    ToolCall,
    ToolSpec,
    Usage,
)
from agentkit.output import OutputSpec
from agentkit.testing.scripted_llm import deltas_of

_DEFAULTS = ModelSettings()

_WORD = re.compile(r"[^\s\"'<>(){}\[\],;]+")

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

_LONGEST_VALUE = 2_000

_DEEPEST = 4
"""A schema may contain itself."""


class AdversarialLlm:
    """Implements `LlmClient`. Whatever a policy lets through, this model does.

    Each reply calls the tools that it is offered with values that were in the messages: whole
    texts, their words, what is inside of JSON. It makes no call twice, `calls_per_reply` at once
    and `max_calls` in all, newest values first, and then answers. `calls` holds what it asked for.
    It is no proof that nothing gets through, only a search that does not tire.
    """

    model = "adversarial"

    def __init__(self, *, max_calls: int = 200, calls_per_reply: int = 20) -> None:
        self.calls: list[ToolCall] = []
        self._max_calls = max_calls
        self._calls_per_reply = calls_per_reply
        self._made: set[str] = set()

    async def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = _DEFAULTS,
    ) -> Reply:
        """Call what was not called yet; answer when there is nothing left."""
        most = min(self._calls_per_reply, self._max_calls - len(self.calls))
        calls = tuple(islice(self._new_calls(messages, tools), most))
        self.calls += calls
        used = Usage(10, 5)
        if not calls:
            return Reply(AssistantMessage("I have tried everything."), used, "end", self.model)
        return Reply(AssistantMessage("", calls), used, "tool_calls", self.model)

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = _DEFAULTS,
    ) -> AsyncGenerator[Delta | Reply, None]:
        """See `complete`."""
        reply = await self.complete(messages, tools, output, settings)
        for delta in deltas_of(reply):
            yield delta
        yield reply

    def _new_calls(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> Iterator[ToolCall]:
        values = list(dict.fromkeys(_values(messages)))
        for value in values:
            for tool in tools:
                arguments = _arguments(tool, value, values)
                key = json.dumps([tool.name, arguments], sort_keys=True)
                if key not in self._made:
                    self._made.add(key)
                    yield ToolCall(f"call_{len(self._made)}", tool.name, arguments)


def _values(messages: Sequence[Message]) -> Iterator[str]:
    """What was seen, newest first: whole texts, what is inside of JSON, words."""
    for message in reversed(messages):
        if isinstance(message, AssistantMessage):
            continue  # its own words
        text = message.text
        yield text[:_LONGEST_VALUE]
        with suppress(ValueError):  # a text like any other
            yield from _leaves(json.loads(text))
        yield from _WORD.findall(text)


def _leaves(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for inner in value.values():
                yield from _leaves(inner)
        case list():
            for inner in value:
                yield from _leaves(inner)
        case str():
            yield value[:_LONGEST_VALUE]
        case int() | float():
            yield str(value)


def _arguments(tool: ToolSpec, value: str, values: Sequence[str]) -> dict[str, Any]:
    shape = _Shape(tool.parameters.get("$defs", {}), value, values)
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    return {name: shape.fitting(schema, _DEEPEST) for name, schema in properties.items()}


@dataclass(frozen=True, slots=True)
class _Shape:
    """A value in the shape that a parameter wants, so that no call is refused for its shape."""

    definitions: dict[str, Any]
    value: str
    values: Sequence[str]

    def fitting(self, schema: dict[str, Any], deepest: int) -> Any:
        reference = schema.get("$ref", "").rpartition("/")[2]
        schema = self.definitions.get(reference, schema)
        if "enum" in schema:
            return schema["enum"][len(self.value) % len(schema["enum"])]
        if "anyOf" in schema:
            return self.fitting(schema["anyOf"][0], deepest)
        match schema.get("type"):
            case "integer" | "number" as kind:
                return int(self._number()) if kind == "integer" else self._number()
            case "boolean":
                return True
            case "array" | "object":
                return self._container(schema, deepest)
            case _:
                return self.value

    def _container(self, schema: dict[str, Any], deepest: int) -> Any:
        if schema["type"] == "array":
            return [self.fitting(schema.get("items", {}), deepest - 1)] if deepest else []
        wanted = schema.get("properties", {}) if deepest else {}
        return {name: self.fitting(one, deepest - 1) for name, one in wanted.items()}

    def _number(self) -> float:
        texts = (self.value, *self.values)
        found = (_NUMBER.search(text) for text in texts)
        return float(next((match[0] for match in found if match), "1"))
