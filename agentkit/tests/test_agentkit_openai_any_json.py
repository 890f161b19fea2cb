"""Whatever JSON a server sends, the client gives a reply or one of our errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.errors import AgentError
from agentkit.llm import RetryPolicy
from agentkit.llm.openrouter import OpenRouterClient
from agentkit.messages import Message, Reply, UserMessage, from_json, to_json
from agentkit.testing import ChatServer, Events, HttpReply
from agentkit.testing.chat_server import Scripted

GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 600), st.just(0.5), st.sampled_from(["", "x", "stop"])
)
NAMES = st.sampled_from(["id", "text", "code", "type", "message", "function", "index", "content"])
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=5,
)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with these fields, each of which may be missing or hold anything; or no object."""
    whole = st.fixed_dictionaries(
        {}, optional={name: st.one_of(value, value, JUNK) for name, value in fields.items()}
    )
    return st.one_of(whole, whole, whole, JUNK)


TEXTS = st.sampled_from(["", "39", "1", "{}", '{"a": 1}'])
CALLS = st.lists(
    shaped(id=TEXTS, index=st.integers(0, 2), function=shaped(name=TEXTS, arguments=TEXTS)),
    max_size=2,
)
DETAILS = st.lists(shaped(type=TEXTS, index=st.integers(0, 1), text=TEXTS), max_size=2)
SAID = shaped(
    content=TEXTS, refusal=TEXTS, reasoning=TEXTS, tool_calls=CALLS, reasoning_details=DETAILS
)
REASONS = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "error", None])
USAGE = shaped(prompt_tokens=st.integers(0, 9), completion_tokens=st.integers(0, 9), cost=JUNK)
ERRORS = shaped(code=st.sampled_from([429, "429", "server_error", None]), message=TEXTS)


def answers(said: str) -> st.SearchStrategy[Any]:
    """A completion or a chunk, more or less."""
    choice = shaped(**{said: SAID, "finish_reason": REASONS, "error": ERRORS})
    choices = st.lists(choice, min_size=1, max_size=2)
    return st.one_of(
        shaped(choices=choices, usage=USAGE, model=TEXTS),
        shaped(choices=choices, usage=USAGE, model=TEXTS, error=ERRORS),
    )


@dataclass
class Line:
    """A client, and the server that answers it with whatever is put on the line."""

    client: OpenRouterClient
    script: list[Scripted]
    run: Callable[[Coroutine[Any, Any, None]], None]

    async def ask(self, reply: Scripted) -> None:
        """What a completion brings, as a journal keeps it."""
        self.script[:] = [reply]
        survives(await self.client.complete(GOAL))

    async def listen(self, reply: Scripted) -> None:
        """What a stream brings last, as a journal keeps it."""
        self.script[:] = [reply]
        last = [item async for item in self.client.stream(GOAL)][-1]
        assert isinstance(last, Reply)
        survives(last)


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    """One for all examples: a client's certificates take longer to read than ten requests."""
    with asyncio.Runner() as runner:
        server = ChatServer([])
        runner.run(server.__aenter__())
        client = OpenRouterClient("m", "k", server.base_url, RetryPolicy(attempts=1))
        yield Line(client, server._script, runner.run)
        runner.run(client.aclose())
        runner.run(server.__aexit__(None, None, None))


def survives(reply: Reply) -> None:
    assert reply == from_json(Reply, json.loads(json.dumps(to_json(reply))))


@given(answers("message"))
@settings(max_examples=300)
def test_any_answer(line: Line, body: Any) -> None:
    """A completion of any shape is a reply that a journal can keep, or an error of ours."""
    with suppress(AgentError):
        line.run(line.ask(HttpReply(200, json.dumps(body).encode())))


@given(st.lists(answers("delta"), max_size=4))
@settings(max_examples=300)
def test_any_stream(line: Line, bodies: list[Any]) -> None:
    """So is a stream, of which the last item is that reply."""
    with suppress(AgentError):
        line.run(line.listen(Events((*map(json.dumps, bodies), "[DONE]"))))


@given(st.integers(400, 599), JUNK)
@settings(max_examples=60)
def test_any_refusal(line: Line, status: int, body: Any) -> None:
    """What a server says beside an error status never breaks what we say of it."""
    with pytest.raises(AgentError):
        line.run(line.ask(HttpReply(status, json.dumps(body).encode())))
