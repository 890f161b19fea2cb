"""Which server plays which case, and why one does not."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentkit.errors import AgentError
from agentkit.llm import ModelSettings, RetryPolicy
from agentkit.llm.provider import ProviderClient
from agentkit.messages import Message, SystemMessage, UserMessage
from support.model_script import DIALECTS, Dialect, ModelServer, Says

ONCE = RetryPolicy(attempts=1)
SETTINGS = ModelSettings(timeout_s=20)
HASTY = ModelSettings(timeout_s=0.3)
GOAL: tuple[Message, ...] = (SystemMessage("Be brief."), UserMessage("What is 17 * 23?"))
ANSWER = Says("It is 391.")

SERVERS = ("aimock", "llmock", "ours")

#: What a simulator cannot do, and why. `ours` does every case that any other misses.
CANNOT: dict[tuple[str, str], str] = {
    ("aimock", "choice"): "plays its fixtures whatever tools may or must be called",
    ("ours", "choice"): "plays its script; the clients' own tests compare what is sent",
    ("aimock", "whole without a reason"): "always gives a finish reason",
    ("llmock", "whole without a reason"): "leaves it out of streams only",
    ("aimock", "stream unfinished"): "always ends a stream that it does not cut with a reason",
    ("aimock", "leaving"): "its journal does not say who hung up",
    ("llmock", "leaving unanswered"): "its delay goes on, and its journal waits for it",
    ("aimock", "leaving unanswered"): "its journal does not say who hung up",
    ("aimock", "verdict"): "does not judge its client",
    ("ours", "verdict"): "does not judge its client",
}


def on_servers(case: str) -> Callable[[Any], Any]:
    """Run a test once for each client on each server that can play the case."""
    able = [server for server in SERVERS if (server, case) not in CANNOT]
    return pytest.mark.parametrize(
        ("dialect", "models"),
        [
            pytest.param(dialect, server, id=f"{dialect.name}-{server}")
            for dialect in DIALECTS
            for server in able
        ],
        indirect=["models"],
    )


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
