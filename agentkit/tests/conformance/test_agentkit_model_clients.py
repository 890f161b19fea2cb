"""Every client of a model, with its real SDK, over real sockets, against two simulators and our own server.

One suite: a client that passes it can take another's place. What a simulator cannot do is in
`support.model_cases.CANNOT`, with the reason.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from llmock.scenarios import StreamFault
from pydantic import BaseModel

from agentkit.errors import (
    AgentError,
    AuthenticationFailed,
    BadRequest,
    ModelMisbehaved,
    OutputInvalid,
    ProviderUnavailable,
    RateLimited,
)
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.provider import ProviderClient
from agentkit.messages import (
    Message,
    Reply,
    SystemMessage,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    UserMessage,
)
from agentkit.output import output_spec
from agentkit.tools.builtin import calculator, current_time
from support.llmock_server import Llmock
from support.model_cases import CANNOT, SERVERS, on_servers
from support.model_script import (
    KEY,
    Breaks,
    Dialect,
    Fails,
    ModelServer,
    Says,
    Unfinished,
    Waits,
)
from support.scripted_models import ScriptedModels

ONCE = RetryPolicy(attempts=1)
SETTINGS = ModelSettings(timeout_s=20)
HASTY = ModelSettings(timeout_s=0.3)
GOAL: tuple[Message, ...] = (SystemMessage("Be brief."), UserMessage("What is 17 * 23?"))
ANSWER = Says("It is 391.")
PRODUCT: tuple[str, dict[str, Any]] = ("calculator", {"expression": "17 * 23"})
TOOLS = (calculator.spec, current_time.spec)


class Product(BaseModel):
    """What a structured answer must look like."""

    value: int


@asynccontextmanager
async def talking(
    dialect: Dialect, models: ModelServer, retry: RetryPolicy = ONCE
) -> AsyncIterator[ProviderClient]:
    client = dialect.client(models.url(dialect), retry)
    try:
        yield client
    finally:
        await client.aclose()


async def failing(client: ProviderClient, settings: ModelSettings = SETTINGS) -> AgentError:
    with pytest.raises(AgentError) as caught:
        await client.complete(GOAL, settings=settings)
    return caught.value


async def failing_stream(client: ProviderClient, settings: ModelSettings = SETTINGS) -> AgentError:
    with pytest.raises(AgentError) as caught:
        _ = [item async for item in client.stream(GOAL, settings=settings)]
    return caught.value


def made(calls: tuple[ToolCall, ...]) -> list[tuple[str, dict[str, Any]]]:
    return [(call.tool, call.arguments) for call in calls]


def test_what_a_simulator_cannot_do_another_server_does() -> None:
    """No case is missing everywhere."""
    for case in {case for _, case in CANNOT}:
        assert {(server, case) for server in SERVERS} - set(CANNOT), case


@on_servers("text")
async def test_text_and_usage(dialect: Dialect, models: ModelServer) -> None:
    """A text is a reply that ends; its tokens are counted and priced."""
    models.play(dialect, ANSWER)
    async with talking(dialect, models) as client:
        reply = await client.complete(GOAL, settings=SETTINGS)
    assert ("It is 391.", "end") == (reply.message.text, reply.stop)
    assert 0 < reply.usage.input_tokens
    assert 0 < reply.usage.output_tokens
    assert reply.usage.cost_usd is not None
    assert 0 < reply.usage.cost_usd


@on_servers("tools")
async def test_a_round_of_tools(dialect: Dialect, models: ModelServer) -> None:
    """A call arrives with its arguments, its observation is sent, and an answer follows."""
    models.play(dialect, Says(calls=[PRODUCT]), ANSWER)
    async with talking(dialect, models) as client:
        asked = await client.complete(GOAL, TOOLS, settings=SETTINGS)
        observed = [ToolMessage(call.id, call.tool, "391") for call in asked.message.tool_calls]
        told = await client.complete((*GOAL, asked.message, *observed), TOOLS, settings=SETTINGS)
    assert ("tool_calls", [PRODUCT]) == (asked.stop, made(asked.message.tool_calls))
    assert ("end", "It is 391.") == (told.stop, told.message.text)


@on_servers("parallel tools")
async def test_parallel_tools(dialect: Dialect, models: ModelServer) -> None:
    """Several calls keep their order and have ids of their own; all are answered in one go."""
    models.play(dialect, Says(calls=[PRODUCT, ("current_time", {})]), ANSWER)
    async with talking(dialect, models) as client:
        asked = await client.complete(GOAL, TOOLS, settings=SETTINGS)
        calls = asked.message.tool_calls
        observed = [ToolMessage(call.id, call.tool, "391") for call in calls]
        told = await client.complete((*GOAL, asked.message, *observed), TOOLS, settings=SETTINGS)
    assert [PRODUCT, ("current_time", {})] == made(calls)
    assert 2 == len({call.id for call in calls})
    assert "It is 391." == told.message.text


@on_servers("choice")
@pytest.mark.parametrize(
    ("choice", "called"),
    [("current_time", ["current_time"]), ("required", ["calculator"]), ("none", [])],
)
async def test_forced_and_forbidden_calls(
    dialect: Dialect, models: ModelServer, choice: str, called: list[str]
) -> None:
    """A server that obeys is told which tool must be called, that one must, or that none may."""
    models.play(dialect)
    async with talking(dialect, models) as client:
        offered = TOOLS if choice != "required" else TOOLS[:1]
        settings = replace(SETTINGS, tool_choice=choice)
        reply = await client.complete(GOAL, offered, settings=settings)
    assert called == [call.tool for call in reply.message.tool_calls]


@on_servers("stream")
async def test_a_stream_of_text(dialect: Dialect, models: ModelServer) -> None:
    """Its deltas are the text, and its last item is the reply that `complete` would have given."""
    models.play(dialect, ANSWER, stream=True)
    async with talking(dialect, models) as client:
        *deltas, reply = [item async for item in client.stream(GOAL, settings=SETTINGS)]
        models.play(dialect, ANSWER)
        whole = await client.complete(GOAL, settings=SETTINGS)
    assert "It is 391." == "".join(one.text for one in deltas if isinstance(one, TextDelta))
    assert isinstance(reply, Reply)
    assert whole.message == reply.message
    assert (whole.stop, whole.usage.input_tokens) == (reply.stop, reply.usage.input_tokens)


@on_servers("stream of tools")
async def test_a_stream_of_calls(dialect: Dialect, models: ModelServer) -> None:
    """The pieces of each call add up to it, under its place and its id."""
    calls = [PRODUCT, ("current_time", {})]
    models.play(dialect, Says(calls=calls), stream=True)
    async with talking(dialect, models) as client:
        *deltas, reply = [item async for item in client.stream(GOAL, TOOLS, settings=SETTINGS)]
    assert isinstance(reply, Reply)
    assert ("tool_calls", calls) == (reply.stop, made(reply.message.tool_calls))
    pieces = [one for one in deltas if isinstance(one, ToolCallDelta)]
    for index, call in enumerate(reply.message.tool_calls):
        own = [piece for piece in pieces if piece.index == index]
        assert {call.id} == {piece.id for piece in own} - {""}
        assert {call.tool} == {piece.tool for piece in own} - {""}
        assert call.arguments == json.loads("".join(piece.arguments for piece in own))


@on_servers("structured")
async def test_structured_output(dialect: Dialect, models: ModelServer) -> None:
    """An answer that fits is given as data; one that does not is repaired once, then an error."""
    output = output_spec(Product)
    fits, does_not = Says('{"value": 391}'), Says('{"value": "many"}')
    async with talking(dialect, models) as client:
        models.play(dialect, fits)
        assert {"value": 391} == (await client.complete(GOAL, (), output, SETTINGS)).structured
        models.play(dialect, does_not, fits)
        assert {"value": 391} == (await client.complete(GOAL, (), output, SETTINGS)).structured
        assert 2 == models.requests()
        models.play(dialect, does_not)
        with pytest.raises(OutputInvalid):
            await client.complete(GOAL, (), output, SETTINGS)
        assert 2 == models.requests()


@on_servers("structured stream")
async def test_structured_output_of_a_stream(dialect: Dialect, models: ModelServer) -> None:
    """The reply at the end of a stream has its data too."""
    models.play(dialect, Says('{"value": 391}'), stream=True)
    async with talking(dialect, models) as client:
        stream = client.stream(GOAL, (), output_spec(Product), SETTINGS)
        *_, reply = [item async for item in stream]
    assert isinstance(reply, Reply)
    assert {"value": 391} == reply.structured


@on_servers("errors")
@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, BadRequest, False),
        (401, AuthenticationFailed, False),
        (404, BadRequest, False),
        (429, RateLimited, True),
        (500, ProviderUnavailable, True),
        (503, ProviderUnavailable, True),
    ],
)
async def test_errors(
    dialect: Dialect, models: ModelServer, status: int, kind: type[AgentError], retryable: bool
) -> None:
    """Each status is its own class, of calls and of streams; nothing that cannot work is repeated."""
    attempts = RetryPolicy(attempts=2, first_wait_s=0.01, budget_s=0.5)
    async with talking(dialect, models, attempts if not retryable else ONCE) as client:
        models.play(dialect, Fails(status))
        errors = [await failing(client), await failing_stream(client)]
        assert 2 == models.requests()
    for error in errors:
        assert (kind, retryable) == (type(error), error.retryable)
        assert KEY not in str(error)


@on_servers("retry after")
async def test_retry_after_is_honoured(dialect: Dialect, models: ModelServer) -> None:
    """A 429 is waited out for as long as it asks, and an answer is then an answer."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    models.play(dialect, Fails(429, retry_after_s=7), ANSWER)
    async with talking(dialect, models, RetryPolicy(first_wait_s=0.01, sleep=sleep)) as client:
        reply = await client.complete(GOAL, settings=SETTINGS)
    assert ("It is 391.", [7.0], 2) == (reply.message.text, waits, models.requests())


@on_servers("stalls")
async def test_a_server_that_says_nothing(dialect: Dialect, models: ModelServer) -> None:
    """It costs timeout_s, of a call and of a stream, and is unavailable."""
    async with talking(dialect, models) as client:
        models.play(dialect, Waits())
        assert isinstance(await failing(client, HASTY), ProviderUnavailable)
        assert isinstance(await failing_stream(client, HASTY), ProviderUnavailable)


@on_servers("malformed")
async def test_an_answer_that_is_no_json(dialect: Dialect, models: ModelServer) -> None:
    """In a stream, garbage is an error, and nothing is asked again once something was given."""
    models.play(dialect, Breaks("malformed"), stream=True)
    async with talking(dialect, models) as client:
        assert isinstance(await failing_stream(client), ModelMisbehaved)


@on_servers("stream cut")
async def test_a_stream_that_is_cut(dialect: Dialect, models: ModelServer) -> None:
    """A connection that drops is unavailable, never the end of an answer."""
    models.play(dialect, Breaks("cut"), stream=True)
    async with talking(dialect, models) as client:
        assert isinstance(await failing_stream(client), ProviderUnavailable)


@on_servers("stream unfinished")
async def test_a_stream_without_its_finish_reason(dialect: Dialect, models: ModelServer) -> None:
    """A stream that ends as if all were well, but gives no reason, is half an answer."""
    models.play(dialect, Breaks("unfinished"), stream=True)
    async with talking(dialect, models) as client:
        assert isinstance(await failing_stream(client), ModelMisbehaved)


@on_servers("stream stalled")
async def test_a_stream_that_stalls(dialect: Dialect, models: ModelServer) -> None:
    """The timeout counts in the middle of a stream too."""
    models.play(dialect, Breaks("stalled"), stream=True)
    async with talking(dialect, models) as client:
        assert isinstance(await failing_stream(client, HASTY), ProviderUnavailable)


@on_servers("whole without a reason")
async def test_an_answer_without_its_finish_reason(dialect: Dialect, models: ModelServer) -> None:
    """It may be half an answer."""
    models.play(dialect, Unfinished())
    async with talking(dialect, models) as client:
        assert isinstance(await failing(client), ModelMisbehaved)


@on_servers("recovery")
async def test_passing_failures_are_survived(dialect: Dialect, models: ModelServer) -> None:
    """One budget of attempts, for calls and for streams that had not begun."""
    patient = RetryPolicy(first_wait_s=0.01)
    async with talking(dialect, models, patient) as client:
        models.play(dialect, Fails(500, retry_after_s=0), ANSWER)
        assert "It is 391." == (await client.complete(GOAL, settings=SETTINGS)).message.text
        models.play(dialect, Fails(500, retry_after_s=0), ANSWER, stream=True)
        items = [item async for item in client.stream(GOAL, settings=SETTINGS)]
    assert isinstance(items[-1], Reply)
    assert 2 == models.requests()


@on_servers("leaving")
@pytest.mark.parametrize("by", ["cancellation", "closing"])
async def test_leaving_a_stream_closes_the_socket(
    dialect: Dialect, models: ScriptedModels, by: str
) -> None:
    """Whoever stops reading hangs up, so that the provider stops writing."""
    models.play(dialect, Breaks("stalled"), stream=True)
    begun = asyncio.Event()
    async with talking(dialect, models) as client:
        items = client.stream(GOAL, settings=SETTINGS)

        async def read() -> None:
            async for _ in items:
                begun.set()
                if by == "closing":
                    await items.aclose()

        reading = asyncio.create_task(read())
        await begun.wait()
        if by == "cancellation":
            reading.cancel()
        await asyncio.wait([reading])
        await models.server.hung_up.wait()


@on_servers("leaving")
async def test_a_cancelled_call_closes_the_socket(dialect: Dialect, models: ScriptedModels) -> None:
    """A call that nobody waits for any more hangs up, and is not tried again."""
    models.play(dialect, Waits())
    models.server.asked.clear()
    async with talking(dialect, models, RetryPolicy()) as client:
        call = asyncio.create_task(client.complete(GOAL, settings=SETTINGS))
        await models.server.asked.wait()
        call.cancel()
        await asyncio.wait([call])
        await models.server.hung_up.wait()
    assert call.cancelled()
    assert 1 == models.requests()


@on_servers("verdict")
@pytest.mark.parametrize(
    ("first", "stream"),
    [
        (Fails(429, retry_after_s=1), False),
        (Fails(429, retry_after_s=0), True),
        (Fails(503, retry_after_s=0), False),
        (Fails(500), True),
        (Fails(401), False),
        (Fails(404), True),
    ],
)
async def test_the_verdict_of_llmock(
    dialect: Dialect, models: Llmock, first: Fails, stream: bool
) -> None:
    """An independent judge of how failures are met, with the waits as they really are."""
    models.play(dialect, first, ANSWER)
    async with talking(dialect, models, RetryPolicy(first_wait_s=0.1)) as client:
        if first.status in (401, 404):
            await (failing_stream(client) if stream else failing(client))
        elif stream:
            _ = [item async for item in client.stream(GOAL, settings=SETTINGS)]
        else:
            await client.complete(GOAL, settings=SETTINGS)
    models.handle.assert_resilient(strict=True)


@on_servers("verdict")
@pytest.mark.parametrize("kind", ["truncate", "disconnect", "malformed"])
async def test_the_verdict_of_llmock_on_broken_streams(
    dialect: Dialect, models: Llmock, kind: str
) -> None:
    """A stream that breaks before it gave anything is asked for again."""
    models.play(dialect, ANSWER)
    models.handle.add(StreamFault(kind, after_chunks=0))  # type: ignore[arg-type]
    async with talking(dialect, models, RetryPolicy(first_wait_s=0.1)) as client:
        items = [item async for item in client.stream(GOAL, settings=SETTINGS)]
    assert isinstance(items[-1], Reply)
    assert "It is 391." == items[-1].message.text
    # Strictly but for garbage: its sender may still be sending when it is asked again, and then
    # takes that for another call.
    models.handle.assert_resilient(strict=kind != "malformed")
