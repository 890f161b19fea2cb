"""Whatever the provider, the time that its pieces take adds up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agentkit.errors import ProviderUnavailable
from agentkit.llm import ModelRequest, ModelSettings, RetryPolicy
from agentkit.llm.provider import ProviderClient
from agentkit.messages import Delta, Reply, TextDelta, UserMessage


class Trickling(ProviderClient):
    """Each piece takes two seconds of a clock that only this moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__("m", "slow", RetryPolicy(attempts=1))
        self._passed_s = 0.0
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self._passed_s)

    async def aclose(self) -> None:
        """Nothing to close."""

    async def _complete(self, request: ModelRequest) -> Reply:
        raise NotImplementedError

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[Delta | Reply, None]:
        while True:
            self._passed_s += 2
            await asyncio.sleep(0)
            yield TextDelta("x")


@pytest.mark.parametrize(
    "settings",
    [ModelSettings(timeout_s=9), ModelSettings(timeout_s=99, total_timeout_s=9)],
    ids=["of the attempt", "of all"],
)
async def test_a_stream_that_trickles_ends_with_its_time(
    monkeypatch: pytest.MonkeyPatch, settings: ModelSettings
) -> None:
    """No piece is late, and all together are: five take longer than nine seconds."""
    stream = Trickling(monkeypatch).stream([UserMessage("x")], settings=settings)
    for _ in range(4):
        assert TextDelta("x") == await anext(stream)
    with pytest.raises(ProviderUnavailable, match="within 9 s"):
        _ = [await anext(stream) for _ in range(2)]
