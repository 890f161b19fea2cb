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
from agentkit.llm.port import DEFAULT_SETTINGS
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

_WORD = re.compile(r"[^\s\"'<>(){}\[\],;]+")

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

_LONGEST_VALUE = 2_000

_DEEPEST = 4
"""A schema may contain itself."""


class AdversarialLlm:
    """Implements `LlmClient`. Whatever a policy lets through, this model does.

    Each reply calls the tools that it is offered with values that were in the messages: whole
    texts, their words, what is inside of JSON. First all arguments of a call are the same value,
    then one differs from the others. It makes no call twice, `calls_per_reply` at once and
    `max_calls` in all, newest values first, and then answers. `calls` holds what it asked for.
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
        settings: ModelSettings = DEFAULT_SETTINGS,
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
        settings: ModelSettings = DEFAULT_SETTINGS,
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
        for name, arguments in _tried(tools, values):
            key = json.dumps([name, arguments], sort_keys=True)
            if key not in self._made:
                self._made.add(key)
                yield ToolCall(f"call_{len(self._made)}", name, arguments)


def _tried(
    tools: Sequence[ToolSpec], values: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Calls with all arguments alike; then with one of another value, a pair of new ones first."""
    alike = {tool.name: _alike(tool, values) for tool in tools}
    yield from (
        (name, row[at]) for at in range(len(values)) for name, row in alike.items() if at < len(row)
    )
    for age in range(2 * len(values)):
        for name, row in alike.items():
            for at, arguments in enumerate(row[: age + 1]):
                for other in row[age - at : age - at + 1]:
                    yield from ((name, {**arguments, one: other[one]}) for one in arguments)


def _alike(tool: ToolSpec, values: Sequence[str]) -> list[dict[str, Any]]:
    numbers = filter(None, map(_NUMBER.search, values))
    number = next((found[0] for found in numbers), "1")
    rows = [_arguments(tool, value, number) for value in values]
    return list({json.dumps(row, sort_keys=True): row for row in rows}.values())


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


def _arguments(tool: ToolSpec, value: str, number: str) -> dict[str, Any]:
    shape = _Shape(tool.parameters.get("$defs", {}), value, number)
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    return {name: shape.fitting(schema, _DEEPEST) for name, schema in properties.items()}


@dataclass(frozen=True, slots=True)
class _Shape:
    """A value in the shape that a parameter wants, so that no call is refused for its shape."""

    definitions: dict[str, Any]
    value: str
    number: str
    """For where the value has none in it."""

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
        found = _NUMBER.search(self.value)
        return float(found[0] if found else self.number)
