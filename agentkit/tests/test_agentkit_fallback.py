"""A fallback asks the next model when one cannot answer, and says who answered."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from agentkit import FallbackLlm
from agentkit.errors import (
    AgentError,
    AuthenticationFailed,
    BadRequest,
    ModelMisbehaved,
    ProviderUnavailable,
    RateLimited,
    UsageError,
)
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.openai import OpenAiClient
from agentkit.messages import Delta, Message, Reply, TextDelta, UserMessage
from agentkit.testing import (
    ChatServer,
    Events,
    ScriptedLlm,
    answer,
    chunk,
    completion,
    failure,
    streamed,
)

GOAL: tuple[Message, ...] = (UserMessage("What is 17 * 23?"),)
DOWN = ProviderUnavailable("a is down")
ONCE = RetryPolicy(attempts=1)


def saying(text: str, model: str) -> ScriptedLlm:
    return ScriptedLlm([replace(answer(text), model=model)], model=model)


async def test_the_first_is_asked_and_nobody_else() -> None:
    """As long as it answers, the second costs nothing."""
    second = saying("b", "b")
    reply = await FallbackLlm([saying("a", "a"), second]).complete(GOAL)
    assert ("a", []) == (reply.model, second.requests)


async def test_the_next_is_asked_when_one_is_unavailable() -> None:
    """The reply says which model it was, the second was asked the same."""
    first, second = ScriptedLlm([DOWN], model="a"), saying("391", "b")
    llm = FallbackLlm([first, second])
    reply = await llm.complete(GOAL)
    assert ("a", "b", "391") == (llm.model, reply.model, reply.message.text)
    assert first.requests == second.requests


@pytest.mark.parametrize(
    "error",
    [AuthenticationFailed("no"), BadRequest("no"), RateLimited("no"), ModelMisbehaved("no")],
)
async def test_other_errors_are_not_fallen_back_from(error: AgentError) -> None:
    """A wrong key or request is to be mended, not hidden."""
    with pytest.raises(type(error)):
        await FallbackLlm([ScriptedLlm([error]), saying("b", "b")]).complete(GOAL)


async def test_a_rate_limit_is_fallen_back_from_when_asked_for() -> None:
    """`on` says what counts."""
    llm = FallbackLlm(
        [ScriptedLlm([RateLimited("no")]), saying("b", "b")], on=(ProviderUnavailable, RateLimited)
    )
    assert "b" == (await llm.complete(GOAL)).model


async def test_when_all_fail_the_last_error_tells_of_the_others() -> None:
    """Whoever reads it sees what was tried."""
    last = ProviderUnavailable("b is down")
    with pytest.raises(ProviderUnavailable, match="b is down") as caught:
        await FallbackLlm([ScriptedLlm([DOWN], model="a"), ScriptedLlm([last])]).complete(GOAL)
    assert ["Before that, a was asked: a is down"] == caught.value.__notes__


def test_a_fallback_of_nobody_is_refused() -> None:
    """Found when it is made, not when it is needed."""
    with pytest.raises(UsageError, match="at least one"):
        FallbackLlm([])


async def streaming(*clients: ScriptedLlm | OpenAiClient) -> list[Delta | Reply]:
    return [item async for item in FallbackLlm(clients).stream(GOAL)]


async def test_a_stream_falls_back_before_its_first_delta() -> None:
    """Nothing was heard of the first."""
    items = await streaming(ScriptedLlm([DOWN]), saying("391", "b"))
    assert [TextDelta("391")] == items[:-1]


class Breaking(ScriptedLlm):
    """Gives one delta, then fails."""

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[object] = (),
        output: object = None,
        settings: ModelSettings = ModelSettings(),  # noqa: B008
    ) -> AsyncGenerator[Delta | Reply, None]:
        yield TextDelta("39")
        raise DOWN


async def test_a_stream_does_not_fall_back_after_a_delta() -> None:
    """Another model would begin again, and the listener has heard the first."""
    second = saying("391", "b")
    stream = FallbackLlm([Breaking([]), second]).stream(GOAL)
    assert TextDelta("39") == await anext(stream)
    with pytest.raises(ProviderUnavailable):
        await anext(stream)
    assert [] == second.requests


async def test_over_real_sockets() -> None:
    """A server that is down and one that is not there, then one that answers."""
    async with ChatServer([failure(503)]) as down, ChatServer([completion("391")]) as up:
        async with ChatServer([completion("")]) as gone:
            urls = down.base_url, gone.base_url, up.base_url
        clients = [OpenAiClient("m", "k", url, retry=ONCE) for url in urls]
        assert "391" == (await FallbackLlm(clients).complete(GOAL)).message.text
        for client in clients:
            await client.aclose()


async def test_streams_over_real_sockets() -> None:
    """A cut before the first delta goes on with the next server; one after it does not."""
    cut, begun = Events((), "cut"), Events((chunk({"content": "39"}),), "cut")
    async with ChatServer([cut, begun]) as first, ChatServer([streamed({"content": "391"})]) as up:
        clients = [OpenAiClient("m", "k", at.base_url, retry=ONCE) for at in (first, up)]
        assert [TextDelta("391")] == (await streaming(*clients))[:-1]
        with pytest.raises(ProviderUnavailable):
            await streaming(*clients)
        assert 1 == len(up.requests)
        for client in clients:
            await client.aclose()


class Silent(ScriptedLlm):
    """Ends its stream before it begins."""

    async def stream(
        self,
        messages: Sequence[Message],
        tools: Sequence[object] = (),
        output: object = None,
        settings: ModelSettings = ModelSettings(),  # noqa: B008
    ) -> AsyncGenerator[Delta | Reply, None]:
        nothing: list[Delta | Reply] = []
        for item in nothing:
            yield item


async def test_a_stream_of_nothing_is_a_models_misbehaviour() -> None:
    """One of our errors, which the next may be asked for, and no RuntimeError of a generator."""
    with pytest.raises(ModelMisbehaved, match="a's stream ended without a reply"):
        await streaming(Silent([], model="a"), saying("391", "b"))
    llm = FallbackLlm([Silent([]), saying("391", "b")], on=(ModelMisbehaved,))
    items = [item async for item in llm.stream(GOAL)]
    assert isinstance(items[-1], Reply)
    assert "b" == items[-1].model
