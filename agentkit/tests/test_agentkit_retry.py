"""The one budget for trying again: the first attempt counts, and costs nothing when it succeeds."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest

from agentkit.errors import ProviderUnavailable
from agentkit.llm import RetryPolicy, retry


async def test_the_time_of_the_first_attempt_is_gone_from_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A provider that took all of it to fail is not asked again."""
    asked = []

    async def fail() -> None:
        asked.append(1)
        raise ProviderUnavailable("no")

    clock = iter([0.0, 100.0])
    monkeypatch.setattr(retry, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with pytest.raises(ProviderUnavailable):
        await RetryPolicy(attempts=3, first_wait_s=0.001, budget_s=100.0).call(fail)
    assert [1] == asked


async def test_a_call_that_succeeds_leaves_no_garbage() -> None:
    """A thousand agents would fill the collector with what each call leaves in cycles."""

    async def answer() -> str:
        return "391"

    gc.collect()
    gc.disable()
    try:
        assert "391" == await RetryPolicy().call(answer)
        assert 0 == gc.collect()
    finally:
        gc.enable()
