"""Whatever JSON Anthropic's or Google's server sends, the client gives a reply or one of our errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentkit.errors import AgentError
from agentkit.llm import RetryPolicy
from agentkit.llm.anthropic import AnthropicClient
from agentkit.llm.google import GoogleClient
from agentkit.llm.provider import ProviderClient
from agentkit.messages import Message, Reply, ToolMessage, UserMessage, from_json, to_json
from agentkit.testing import ChatServer, Events, HttpReply
from agentkit.testing.chat_server import Scripted

# The Google SDK warns of words that it does not know.
pytestmark = pytest.mark.filterwarnings("ignore:.* is not a valid:UserWarning")

GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)
ONCE = RetryPolicy(attempts=1)

# On a busy machine the first examples are slow, and no example is a fault of the strategy.
ANY = settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

NAMES = st.sampled_from(["type", "text", "id", "name", "error", "message", "parts", "code"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 600), st.just(0.5), st.sampled_from(["", "x", "text"])
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=5,
)
TEXTS = st.sampled_from(["", "39", "{}", '{"a": 1}', "eA=="])
COUNTS = st.integers(0, 9)


def mostly(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`value`, and one time in five anything."""
    return st.integers(0, 4).flatmap(lambda chance: value if chance else JUNK)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with these fields, each of which may be missing or hold anything; or no object."""
    whole = {name: mostly(value) for name, value in fields.items()}
    return mostly(st.fixed_dictionaries({}, optional=whole))


KINDS = st.sampled_from(["text", "tool_use", "thinking", "redacted_thinking", "new"])
BLOCK = shaped(
    type=KINDS,
    text=TEXTS,
    id=TEXTS,
    name=TEXTS,
    input=shaped(a=JUNK),
    thinking=TEXTS,
    signature=TEXTS,
    data=TEXTS,
)
REASONS = st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal", "pause_turn", None])
TOKENS = shaped(
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cache_read_input_tokens=COUNTS,
    output_tokens_details=shaped(thinking_tokens=COUNTS),
)
DETAILS = shaped(explanation=TEXTS)
MESSAGE = shaped(
    content=st.lists(BLOCK, max_size=3),
    stop_reason=REASONS,
    stop_details=DETAILS,
    model=TEXTS,
    usage=TOKENS,
)
DELTA = shaped(
    type=st.sampled_from(["text_delta", "input_json_delta", "thinking_delta", "signature_delta"]),
    text=TEXTS,
    partial_json=TEXTS,
    thinking=TEXTS,
    signature=TEXTS,
)
REFUSAL = {"explanation": 0.5}
ENDING = shaped(stop_reason=REASONS, stop_details=DETAILS)
EVENTS = st.one_of(
    st.tuples(st.just("message_start"), shaped(message=MESSAGE)),
    st.tuples(st.just("content_block_start"), shaped(index=COUNTS, content_block=BLOCK)),
    st.tuples(st.just("content_block_delta"), shaped(index=COUNTS, delta=DELTA)),
    st.tuples(st.just("message_delta"), shaped(delta=ENDING, usage=TOKENS)),
    st.tuples(st.just("error"), shaped(error=shaped(type=TEXTS, message=TEXTS))),
)

PART = shaped(
    text=TEXTS,
    thought=st.booleans(),
    thoughtSignature=TEXTS,
    functionCall=shaped(id=TEXTS, name=TEXTS, args=shaped(a=JUNK)),
)
CANDIDATE = shaped(
    content=shaped(parts=st.lists(PART, max_size=3), role=st.just("model")),
    finishReason=st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "OTHER", "CONTINUATION"]),
    finishMessage=TEXTS,
)
RESPONSE = shaped(
    candidates=st.lists(CANDIDATE, max_size=2),
    promptFeedback=shaped(blockReason=st.sampled_from(["SAFETY", "OTHER"])),
    usageMetadata=shaped(promptTokenCount=COUNTS, thoughtsTokenCount=COUNTS),
    modelVersion=TEXTS,
)


@dataclass
class Line:
    """The clients, and the server that answers them with whatever is put on the line."""

    anthropic: ProviderClient
    google: ProviderClient
    script: list[Scripted]
    run: Callable[[Coroutine[Any, Any, None]], None]

    async def ask(self, client: ProviderClient, answer: Scripted) -> None:
        """What an answer brings can be kept and sent back."""
        self.script[:] = [answer]
        await self._survives(client, await client.complete(GOAL))

    async def listen(self, client: ProviderClient, answer: Scripted) -> None:
        """So can what a stream brings last."""
        self.script[:] = [answer]
        last = [item async for item in client.stream(GOAL)][-1]
        assert isinstance(last, Reply)
        await self._survives(client, last)

    async def _survives(self, client: ProviderClient, reply: Reply) -> None:
        kept = from_json(Reply, json.loads(json.dumps(to_json(reply))))
        assert reply == kept
        results = [ToolMessage(call.id, call.tool, "1") for call in kept.message.tool_calls]
        self.script[:] = [HttpReply(503, b"{}")]
        with suppress(AgentError):
            await client.complete((*GOAL, kept.message, *results, UserMessage("Well?")))


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    """One for all examples: a client's certificates take longer to read than ten requests."""
    with asyncio.Runner() as runner:
        server = ChatServer([])
        runner.run(server.__aenter__())
        anthropic = AnthropicClient("m", "k", server.root_url, retry=ONCE)
        google = GoogleClient("m", "k", server.root_url, retry=ONCE)
        yield Line(anthropic, google, server._script, runner.run)
        runner.run(anthropic.aclose())
        runner.run(google.aclose())
        runner.run(server.__aexit__(None, None, None))


@given(MESSAGE)
@ANY
def test_any_message(line: Line, body: Any) -> None:
    """A message of any shape is a reply that can be kept and sent back, or an error of ours."""
    with suppress(AgentError):
        line.run(line.ask(line.anthropic, HttpReply(200, json.dumps(body).encode())))


@example([("error", {"error": {"message": 0.5}})])
@example([("message_delta", {"delta": {"stop_reason": "refusal", "stop_details": REFUSAL}})])
@given(st.lists(EVENTS, max_size=6))
@ANY
def test_any_events(line: Line, events: list[tuple[str, Any]]) -> None:
    """So is a stream of events."""
    data = tuple(
        f"{json.dumps({'type': name, **body} if isinstance(body, dict) else body)}\nevent: {name}"
        for name, body in events
    )
    with suppress(AgentError):
        line.run(line.listen(line.anthropic, Events(data)))


@given(RESPONSE)
@ANY
def test_any_response(line: Line, body: Any) -> None:
    """A response of any shape is a reply that can be kept and sent back, or an error of ours."""
    with suppress(AgentError):
        line.run(line.ask(line.google, HttpReply(200, json.dumps(body).encode())))


@given(st.lists(RESPONSE, max_size=4))
@ANY
def test_any_chunks(line: Line, bodies: list[Any]) -> None:
    """So is a stream of chunks."""
    with suppress(AgentError):
        line.run(line.listen(line.google, Events(tuple(map(json.dumps, bodies)))))


@given(st.integers(400, 599), JUNK)
@ANY
def test_any_refusal(line: Line, status: int, body: Any) -> None:
    """What a server says beside an error status never breaks what we say of it."""
    answer = HttpReply(status, json.dumps(body).encode())
    for client in (line.anthropic, line.google):
        with pytest.raises(AgentError):
            line.run(line.ask(client, answer))
