"""A client that replies as another one did, from a cassette."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agentkit.llm import ModelRequest, ModelSettings
from agentkit.llm.port import DEFAULT_SETTINGS
from agentkit.messages import Delta, Message, Reply, ToolSpec
from agentkit.output import OutputSpec
from agentkit.testing.cassette import Cassette
from agentkit.testing.scripted_llm import deltas_of

if TYPE_CHECKING:
    from pydantic import JsonValue


_LONGEST_LINE = 120


class LlmReplayer:
    """Implements `LlmClient` from the file at `path`, without a network.

    The reply to a request is the one that was recorded for the same request, whenever it was asked;
    one that was recorded several times is replayed in that order. `secrets` must be those that it
    was recorded with. Raises AssertionError for a request that was not recorded, naming the first
    place where it differs from the most similar one that was.
    """

    def __init__(self, path: str | Path, *, secrets: Iterable[str] = ()) -> None:
        self._cassette = Cassette.load(Path(path), secrets)
        self._asked: Counter[str] = Counter()
        exchanges = self._cassette.exchanges
        self.model = exchanges[0].model if exchanges else "nobody"

    async def complete(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> Reply:
        """See `LlmClient`."""
        return self._reply(ModelRequest(tuple(messages), tuple(tools), output, settings))

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec] = (),
        output: OutputSpec | None = None,
        settings: ModelSettings = DEFAULT_SETTINGS,
    ) -> AsyncGenerator[Delta | Reply, None]:
        """See `LlmClient`. The pieces are made anew from the reply: word by word, call by call."""
        reply = self._reply(ModelRequest(tuple(messages), tuple(tools), output, settings))
        for delta in deltas_of(reply):
            yield delta
        yield reply

    def _reply(self, request: ModelRequest) -> Reply:
        key = self._cassette.key(request)
        recorded = [one.reply for one in self._cassette.exchanges if one.request == key]
        if not recorded:
            raise AssertionError(self._miss(key))
        digest = json.dumps(key, sort_keys=True)
        asked = self._asked[digest]
        self._asked[digest] += 1
        if asked >= len(recorded):
            raise AssertionError(
                f"{self._cassette.path} has {len(recorded)} replies to this request, and it was "
                f"made {asked + 1} times: record it again. {_quoted(key)}"
            )
        return recorded[asked]

    def _miss(self, key: JsonValue) -> str:
        differences = [
            list(_differences(one.request, key, "request")) for one in self._cassette.exchanges
        ]
        if not differences:
            return f"{self._cassette.path} holds no exchange: record it again."
        nearest = min(range(len(differences)), key=lambda number: len(differences[number]))
        return (
            f"{self._cassette.path} has no reply to this request. Number {nearest + 1} of its "
            f"{len(differences)} is the most similar; it differs in {differences[nearest][0]}. If "
            "the agent was meant to change, record it again."
        )


def _differences(recorded: JsonValue, asked: JsonValue, place: str) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(asked, dict):
        for name in dict.fromkeys((*recorded, *asked)):
            yield from _differences(recorded.get(name), asked.get(name), f"{place}.{name}")
    elif isinstance(recorded, list) and isinstance(asked, list):
        for number in range(max(len(recorded), len(asked))):
            here, there = recorded[number : number + 1], asked[number : number + 1]
            if not here or not there:
                yield f"{place}[{number}]: recorded {_quoted(here)}, asked {_quoted(there)}"
            else:
                yield from _differences(here[0], there[0], f"{place}[{number}]")
    elif recorded != asked:
        yield f"{place}: recorded {_quoted(recorded)}, asked {_quoted(asked)}"


def _quoted(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}…"
