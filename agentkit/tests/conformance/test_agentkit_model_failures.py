"""What goes wrong between any client of a model and its server: one suite, as for what goes well."""

from __future__ import annotations

import asyncio

import pytest
from llmock.scenarios import StreamFault

from agentkit.errors import (
    AgentError,
    AuthenticationFailed,
    BadRequest,
    ModelMisbehaved,
    ProviderUnavailable,
    RateLimited,
)
from agentkit.llm import RetryPolicy
from agentkit.messages import (
    Reply,
)
from support.llmock_server import Llmock
from support.model_cases import (
    ANSWER,
    GOAL,
    HASTY,
    ONCE,
    SETTINGS,
    failing,
    failing_stream,
    on_servers,
    talking,
)
from support.model_script import (
    KEY,
    Breaks,
    Dialect,
    Fails,
    ModelServer,
    SeesWhoLeaves,
    Unfinished,
    Waits,
)
from support.scripted_models import ScriptedModels


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
    dialect: Dialect, models: SeesWhoLeaves, by: str
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
        assert await models.left()


@on_servers("leaving unanswered")
async def test_a_cancelled_call_closes_the_socket(dialect: Dialect, models: ScriptedModels) -> None:
    """A call that nobody waits for any more hangs up, and is not tried again."""
    models.play(dialect, Waits())
    models.server.asked.clear()
    async with talking(dialect, models, RetryPolicy()) as client:
        call = asyncio.create_task(client.complete(GOAL, settings=SETTINGS))
        await models.server.asked.wait()
        call.cancel()
        await asyncio.wait([call])
        assert await models.left()
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
