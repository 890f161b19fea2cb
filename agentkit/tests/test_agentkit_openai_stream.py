"""Streams of the OpenAI client: the real SDK, over a real socket, against a scripted server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal

import pytest

from agentkit.errors import (
    AgentError,
    AuthenticationFailed,
    ContextTooLong,
    ModelMisbehaved,
    ProviderUnavailable,
    RateLimited,
)
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.openai import OpenAiClient
from agentkit.messages import (
    AssistantMessage,
    Delta,
    Message,
    Reasoning,
    ReasoningDelta,
    Reply,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UserMessage,
)
from agentkit.output import OutputSpec
from agentkit.testing import ChatServer, Events, Stall, chunk, completion, failure, streamed
from agentkit.testing.chat_server import Scripted

ONCE = RetryPolicy(attempts=1)
SETTINGS = ModelSettings(timeout_s=5)
GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)
ANSWER = OutputSpec("answer", {"type": "object", "properties": {"n": {"type": "integer"}}})
COUNTED = {"prompt_tokens": 20, "completion_tokens": 10}


@asynccontextmanager
async def talking(
    *script: Scripted, retry: RetryPolicy = ONCE
) -> AsyncIterator[tuple[OpenAiClient, ChatServer]]:
    async with ChatServer(script) as server:
        client = OpenAiClient("gpt-4o-mini", "sk-very-secret", server.base_url, "openai", retry)
        try:
            yield client, server
        finally:
            await client.aclose()


async def items_of(*script: Scripted, retry: RetryPolicy = ONCE) -> list[Delta | Reply]:
    async with talking(*script, retry=retry) as (client, _):
        return [item async for item in client.stream(GOAL, settings=SETTINGS)]


async def last_of(*script: Scripted) -> Reply:
    last = (await items_of(*script))[-1]
    assert isinstance(last, Reply)
    return last


async def failing(*script: Scripted) -> AgentError:
    with pytest.raises(AgentError) as caught:
        await items_of(*script)
    return caught.value


async def no_wait(seconds: float) -> None:
    """Takes the place of asyncio.sleep."""


def piece(
    index: int | None, written: str, *, name: str = "", call_id: str = ""
) -> dict[str, object]:
    """A delta with a piece of a tool call."""
    call = {"index": index, "id": call_id, "function": {"name": name, "arguments": written}}
    return {"tool_calls": [{key: value for key, value in call.items() if value not in (None, "")}]}


async def test_text_comes_in_pieces_and_then_whole() -> None:
    """The deltas are what was written, the last item the reply with its tokens and its price."""
    usage = Usage(20, 10, Decimal("0.000009"))
    reply = Reply(AssistantMessage("It is 391."), usage, "end", "gpt-4o-mini")
    expected = [TextDelta("It is "), TextDelta("391."), reply]
    assert expected == await items_of(streamed({"content": "It is "}, {"content": "391."}))


async def test_a_stream_asks_for_the_tokens() -> None:
    """Without being asked, OpenAI does not count in a stream."""
    async with talking(streamed({"content": "ok"})) as (client, server):
        assert [_ async for _ in client.stream(GOAL, settings=SETTINGS)]
    sent = server.requests[0]
    assert (True, {"include_usage": True}) == (sent["stream"], sent["stream_options"])


async def test_tool_calls_come_in_pieces() -> None:
    """Two calls whose pieces are mixed are told apart by their index."""
    items = await items_of(
        streamed(
            piece(0, "", name="add", call_id="id_1"),
            piece(1, '{"b"', name="sub", call_id="id_2"),
            piece(0, '{"a": 1}'),
            piece(1, ": 2}"),
            finish_reason="tool_calls",
        )
    )
    calls = (ToolCall("id_1", "add", {"a": 1}), ToolCall("id_2", "sub", {"b": 2}))
    reply = items.pop()
    assert isinstance(reply, Reply)
    assert ("tool_calls", calls) == (reply.stop, reply.message.tool_calls)
    assert [
        ToolCallDelta(0, "id_1", "add"),
        ToolCallDelta(1, "id_2", "sub", '{"b"'),
        ToolCallDelta(0, arguments='{"a": 1}'),
        ToolCallDelta(1, arguments=": 2}"),
    ] == items


@pytest.mark.parametrize("index", [None, 0])
async def test_calls_without_an_index_of_their_own_are_told_apart_by_their_id(
    index: int | None,
) -> None:
    """Some servers give every call the same index, or none."""
    reply = await last_of(
        streamed(
            piece(index, '{"a": ', name="add", call_id="id_1"),
            piece(index, "1}"),
            piece(index, '{"b": 2}', name="sub", call_id="id_2"),
        )
    )
    calls = (ToolCall("id_1", "add", {"a": 1}), ToolCall("id_2", "sub", {"b": 2}))
    assert calls == reply.message.tool_calls


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_thoughts_come_in_pieces(field: str) -> None:
    """What a model thinks before it speaks is streamed, and kept beside the answer."""
    items = await items_of(streamed({field: "17*20"}, {field: "+51"}, {"content": "391"}))
    assert [ReasoningDelta("17*20"), ReasoningDelta("+51"), TextDelta("391")] == items[:-1]
    reply = items[-1]
    assert isinstance(reply, Reply)
    assert (Reasoning("17*20+51", "openai"),) == reply.message.reasoning


@pytest.mark.parametrize(
    "events",
    [
        Events((chunk({"content": "39"}), "[DONE]")),
        Events((chunk({"content": "39"}),)),
        Events(()),
        Events((chunk(choices=[], usage=COUNTED), "[DONE]")),
        Events((chunk({"content": "39"}), '{"broken', chunk(finish_reason="stop"), "[DONE]")),
        Events((chunk({"content": "39"}), '"text"', chunk(finish_reason="stop"), "[DONE]")),
        Events((chunk({"content": "39"}), "[1]", chunk(finish_reason="stop"), "[DONE]")),
        Events((chunk({"content": 39}), chunk(finish_reason="stop"), "[DONE]")),
        Events((chunk(choices=["39"]), chunk(finish_reason="stop"), "[DONE]")),
        Events((chunk({"content": "39"}), chunk(finish_reason="strange"), "[DONE]")),
        Events((chunk({"content": ""}), chunk(finish_reason="stop"), "[DONE]")),
    ],
)
async def test_broken_streams_are_never_silent_success(events: Events) -> None:
    """A missing finish reason, a chunk that is none, an answer of nothing: an error, worth a try."""
    error = await failing(events)
    assert (ModelMisbehaved, True) == (type(error), error.retryable)


async def test_a_cut_stream_is_the_providers_failure() -> None:
    """A connection that breaks in the middle leaves no answer behind."""
    assert ProviderUnavailable is type(await failing(Events((chunk({"content": "3"}),), "cut")))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "oops", "type": "server_error"}, ProviderUnavailable),
        ({"message": "Provider disconnected", "code": 502}, ProviderUnavailable),
        ({"message": "slow down", "code": "rate_limit_exceeded"}, RateLimited),
        ({"message": "slow down", "code": 429}, RateLimited),
        ({"message": "bad key", "code": "invalid_api_key"}, AuthenticationFailed),
        ({"message": "too long", "code": "context_length_exceeded"}, ContextTooLong),
    ],
)
@pytest.mark.parametrize("begun", [True, False])
async def test_an_error_inside_a_stream_has_its_class(
    error: dict[str, object], kind: type[AgentError], begun: bool
) -> None:
    """A server that has said 200 reports what goes wrong later as an event."""
    told = chunk(error=error, choices=[])
    events = Events((chunk({"content": "39"}), told) if begun else (told,))
    assert kind is type(await failing(events))


async def test_a_failure_before_the_first_delta_is_tried_again() -> None:
    """Until something was given, another attempt repeats nothing."""
    retry = RetryPolicy(sleep=no_wait)
    script = (failure(500), Events((), "cut"), streamed({"content": "391"}))
    items = await items_of(*script, retry=retry)
    assert [TextDelta("391")] == items[:-1]


async def test_a_failure_after_a_delta_is_not_tried_again() -> None:
    """What the listener has heard cannot be taken back."""
    retry = RetryPolicy(sleep=no_wait)
    events = Events((chunk({"content": "39"}),), "cut")
    async with talking(events, streamed({"content": "391"}), retry=retry) as (client, server):
        stream = client.stream(GOAL, settings=SETTINGS)
        assert TextDelta("39") == await anext(stream)
        with pytest.raises(ProviderUnavailable):
            await anext(stream)
        assert 1 == len(server.requests)


@pytest.mark.parametrize("stalled", [Stall(), Events((chunk({"content": "39"}),), "stall")])
async def test_a_stream_that_stalls_times_out(stalled: Scripted) -> None:
    """Before the first delta or in the middle, silence costs timeout_s, and the socket is closed."""
    settings = ModelSettings(timeout_s=0.5)
    async with talking(stalled) as (client, server):
        with pytest.raises(ProviderUnavailable, match=r"did not answer (in time|within)"):
            _ = [item async for item in client.stream(GOAL, settings=settings)]
        await server.hung_up.wait()


@pytest.mark.parametrize(
    "script",
    [
        (Events((chunk({"content": "39"}),), "stall"),),
        (streamed({"content": "no JSON"}), Stall()),
    ],
)
async def test_the_total_timeout_is_for_the_whole_stream(script: tuple[Scripted, ...]) -> None:
    """What comes after the first delta, and the repair of an answer, are within it too."""
    settings = ModelSettings(timeout_s=30, total_timeout_s=0.5)
    async with talking(*script) as (client, server):
        with pytest.raises(ProviderUnavailable, match="within"):
            _ = [item async for item in client.stream(GOAL, output=ANSWER, settings=settings)]
        await server.hung_up.wait()


async def test_time_that_the_listener_takes_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A person who reads slowly does not run into the provider's timeout."""
    async with talking(streamed({"content": "3"}, {"content": "91"})) as (client, _):
        settings = ModelSettings(timeout_s=5, total_timeout_s=5)
        stream = client.stream(GOAL, settings=settings)
        assert TextDelta("3") == await anext(stream)
        loop = asyncio.get_running_loop()
        later_s = loop.time() + 2 * SETTINGS.timeout_s
        monkeypatch.setattr(loop, "time", lambda: later_s)
        assert [TextDelta("91")] == [item async for item in stream][:-1]


async def test_cancelling_a_stream_closes_its_socket() -> None:
    """Who stops listening hangs up, so that the provider stops writing."""
    async with talking(Events((chunk({"content": "39"}),), "stall")) as (client, server):
        heard = asyncio.Event()

        async def listen() -> None:
            async for _ in client.stream(GOAL, settings=SETTINGS):
                heard.set()

        listening = asyncio.create_task(listen())
        await heard.wait()
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        await server.hung_up.wait()


async def test_closing_a_stream_closes_its_socket() -> None:
    """Leaving the loop early hangs up too."""
    async with talking(Events((chunk({"content": "39"}),), "stall")) as (client, server):
        async with aclosing(client.stream(GOAL, settings=SETTINGS)) as stream:
            assert TextDelta("39") == await anext(stream)
        await server.hung_up.wait()


async def test_streams_reuse_their_connection() -> None:
    """A stream that was read to its end leaves a connection for the next."""
    async with talking(streamed({"content": "391"})) as (client, server):
        for _ in range(5):
            assert [item async for item in client.stream(GOAL, settings=SETTINGS)]
        assert (5, 1) == (len(server.requests), server.connections)


async def test_structured_output_is_repaired_after_a_stream() -> None:
    """The deltas are of the first answer, the reply is of the one that fits, paid for twice."""
    first, second = streamed({"content": '{"n": "x"}'}), completion('{"n": 391}')
    async with talking(first, second) as (client, _):
        stream = client.stream(GOAL, output=ANSWER, settings=SETTINGS)
        items = [item async for item in stream]
    reply = items[-1]
    assert isinstance(reply, Reply)
    assert [TextDelta('{"n": "x"}')] == items[:-1]
    assert ({"n": 391}, 40) == (reply.structured, reply.usage.input_tokens)
