"""The rate governor: what may pass in a minute, in which order, and what a reply corrects."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import Rate, RateGovernor
from agentkit.errors import ProviderUnavailable, UsageError
from agentkit.llm import LlmClient, ModelSettings
from agentkit.llm.bucket import Bucket
from agentkit.messages import Message, Reply, Usage, UserMessage
from agentkit.testing import FrozenClock, ScriptedLlm, answer

GOAL: tuple[Message, ...] = (UserMessage("x" * 24),)  # ten tokens: six, and four for the message
USED = replace(answer("ok"), usage=Usage(10, 10))


class Time(FrozenClock):
    """A clock whose sleepers wake when it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []
        self.asleep = asyncio.Event()
        self._wake = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.asleep.set()
        until = self.monotonic_s() + seconds
        while self.monotonic_s() < until:
            await self._wake.wait()

    async def pass_(self, seconds: float) -> None:
        self.asleep.clear()
        self.advance(seconds)
        self._wake.set()
        self._wake = asyncio.Event()
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
def time() -> Time:
    return Time()


def governed(time: Time, rate: Rate, llm: LlmClient | None = None) -> LlmClient:
    governor = RateGovernor(clock=time, sleep=time.sleep)
    return governor.govern(llm or ScriptedLlm([USED] * 99), rate, provider="p")


async def settled() -> None:
    """Let what can go on without time passing go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_requests_beyond_the_burst_wait(time: Time) -> None:
    """Sixty a minute, in bursts of two seconds: two pass, the third a second later."""
    llm = governed(time, Rate(requests_per_minute=60, burst_s=2))
    for _ in range(2):
        await llm.complete(GOAL)
    third = asyncio.create_task(llm.complete(GOAL))
    await time.asleep.wait()
    assert [pytest.approx(1.0)] == time.asked
    assert not third.done()
    await time.pass_(1.0)
    assert "ok" == (await third).message.text


async def test_waiters_go_in_the_order_they_came(time: Time) -> None:
    """A small call does not overtake a large one: none is starved."""
    governor = RateGovernor(clock=time, sleep=time.sleep)
    rate = Rate(tokens_per_minute=60, burst_s=60, output_tokens=0)
    order: list[int] = []

    async def ask(number: int, characters: int) -> None:
        llm = governor.govern(ScriptedLlm([answer("ok", Usage(0, 0))]), rate, provider="p")
        await llm.complete((UserMessage("x" * characters),))
        order.append(number)

    gate = governor.govern(ScriptedLlm([answer("ok", Usage(60, 0))]), rate, provider="p")
    await gate.complete((UserMessage("x" * 240),))
    tasks = []
    for number, characters in enumerate((200, 4, 120, 8)):
        tasks.append(asyncio.create_task(ask(number, characters)))
        await settled()
    while not all(task.done() for task in tasks):
        await time.pass_(10)
    assert [0, 1, 2, 3] == order


async def test_a_cancelled_wait_takes_nothing(time: Time) -> None:
    """The next one gets its place."""
    llm = governed(time, Rate(requests_per_minute=60, burst_s=1))
    await llm.complete(GOAL)
    first = asyncio.create_task(llm.complete(GOAL))
    await time.asleep.wait()
    second = asyncio.create_task(llm.complete(GOAL))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await settled()
    await time.pass_(1.0)
    assert "ok" == (await second).message.text


async def test_a_reply_gives_back_what_it_did_not_use(time: Time) -> None:
    """A waiter goes on as soon as there is enough, without waiting for its time."""
    gate = asyncio.Event()
    rate = Rate(tokens_per_minute=600, burst_s=60, output_tokens=500)
    llm = governed(time, rate, ScriptedLlm([USED] * 2, gate=gate))
    first = asyncio.create_task(llm.complete(GOAL))
    second = asyncio.create_task(llm.complete(GOAL))
    await time.asleep.wait()
    assert [pytest.approx(42.0)] == time.asked
    gate.set()
    assert ["ok", "ok"] == [reply.message.text for reply in await asyncio.gather(first, second)]


async def test_a_reply_that_used_more_is_paid_for(time: Time) -> None:
    """What was underestimated is waited for by the next."""
    rate = Rate(tokens_per_minute=600, burst_s=60, output_tokens=0)
    long = replace(USED, usage=Usage(10, 590))
    llm = governed(time, rate, ScriptedLlm([long, USED]))
    await llm.complete(GOAL)
    second = asyncio.create_task(llm.complete(GOAL))
    await time.asleep.wait()
    assert [pytest.approx(1.0)] == time.asked
    await time.pass_(1.0)
    await second


async def test_max_tokens_bounds_the_estimate(time: Time) -> None:
    """A caller that wants a short answer does not reserve a long one."""
    rate = Rate(tokens_per_minute=600, burst_s=60, output_tokens=500)
    gate = asyncio.Event()
    llm = governed(time, rate, ScriptedLlm([USED] * 9, gate=gate))
    short = ModelSettings(max_tokens=20)
    calls = [asyncio.create_task(llm.complete(GOAL, settings=short)) for _ in range(9)]
    await settled()
    assert [] == time.asked
    gate.set()
    await asyncio.gather(*calls)


async def test_a_failed_call_keeps_what_it_reserved(time: Time) -> None:
    """What it used nobody knows, and a provider may count it."""
    rate = Rate(tokens_per_minute=600, burst_s=60, output_tokens=590)
    llm = governed(time, rate, ScriptedLlm([ProviderUnavailable("down"), USED]))
    with pytest.raises(ProviderUnavailable):
        await llm.complete(GOAL)
    second = asyncio.create_task(llm.complete(GOAL))
    await time.asleep.wait()
    second.cancel()


async def test_streams_are_governed_too(time: Time) -> None:
    """The last item settles what was reserved."""
    rate = Rate(requests_per_minute=60, tokens_per_minute=600, burst_s=60)
    llm = governed(time, rate)
    for _ in range(5):
        items = [item async for item in llm.stream(GOAL)]
        assert isinstance(items[-1], Reply)
    assert [] == time.asked


async def test_a_request_larger_than_the_burst_passes_when_nothing_is_owed(time: Time) -> None:
    """It would wait for ever otherwise; the debt is waited for by the next."""
    rate = Rate(tokens_per_minute=60, burst_s=1, output_tokens=0)
    llm = governed(time, rate, ScriptedLlm([replace(USED, usage=Usage(10, 0))] * 2))
    await llm.complete(GOAL)
    second = asyncio.create_task(llm.complete(GOAL))
    await time.asleep.wait()
    assert [pytest.approx(10.0)] == time.asked
    second.cancel()


async def test_buckets_are_shared_by_provider_key_and_model(time: Time) -> None:
    """Two clients of one model share; another model, key or provider does not."""
    governor = RateGovernor(clock=time, sleep=time.sleep)
    rate = Rate(requests_per_minute=60, burst_s=1)

    def client(model: str, provider: str, key: str) -> LlmClient:
        llm = ScriptedLlm([USED], model=model)
        return governor.govern(llm, rate, provider=provider, key=key)

    places = [("m", "p", "k"), ("n", "p", "k"), ("m", "q", "k"), ("m", "p", "l")]
    for place in places:
        await client(*place).complete(GOAL)
    assert [] == time.asked
    again = asyncio.create_task(client("m", "p", "k").complete(GOAL))
    await time.asleep.wait()
    again.cancel()


def test_another_rate_for_the_same_bucket_is_refused(time: Time) -> None:
    """Which of the two would hold?"""
    governor = RateGovernor(clock=time, sleep=time.sleep)
    governor.govern(ScriptedLlm([]), Rate(requests_per_minute=60), provider="p")
    with pytest.raises(UsageError, match="governed already"):
        governor.govern(ScriptedLlm([]), Rate(requests_per_minute=61), provider="p")


@pytest.mark.parametrize("wrong", [{"requests_per_minute": 0}, {"burst_s": -1.0}])
def test_a_rate_of_nothing_is_refused(wrong: dict[str, float]) -> None:
    """Nobody would ever pass."""
    with pytest.raises(UsageError, match="above 0"):
        Rate(**wrong)  # type: ignore[arg-type]  # the names are right, the numbers are not


SECONDS = st.floats(0, 30)
AMOUNTS = st.floats(0, 50)


@given(st.floats(1, 20), st.floats(0.1, 5), st.lists(st.tuples(SECONDS, AMOUNTS), max_size=30))
def test_no_more_passes_than_the_bucket_promises(
    capacity: float, per_s: float, asked: list[tuple[float, float]]
) -> None:
    """In any stretch of time: the capacity, what flows in meanwhile, and the excess of the last."""
    bucket, now_s = Bucket(capacity, per_s, 0.0), 0.0
    passed: list[tuple[float, float]] = []
    for pause_s, amount in asked:
        now_s += pause_s
        now_s += bucket.wait_s(amount, now_s)
        assert 0.0 == pytest.approx(bucket.wait_s(amount, now_s), abs=1e-6)
        bucket.take(amount)
        passed.append((now_s, amount))
    for first, (from_s, _) in enumerate(passed):
        for last in range(first, len(passed)):
            to_s, final = passed[last]
            total = sum(amount for _, amount in passed[first : last + 1])
            allowed = capacity + per_s * (to_s - from_s) + max(0.0, final - capacity)
            assert total <= allowed + 1e-6


@given(st.floats(1, 20), st.floats(0.1, 5), AMOUNTS, AMOUNTS)
def test_nobody_waits_longer_than_needed(
    capacity: float, per_s: float, taken: float, amount: float
) -> None:
    """A moment earlier there was not enough."""
    bucket = Bucket(capacity, per_s, 0.0)
    bucket.take(taken)
    wait_s = bucket.wait_s(amount, 0.0)
    if wait_s > 1e-3:
        assert bucket.wait_s(amount, wait_s * 0.99) > 0
    assert 0.0 == pytest.approx(bucket.wait_s(amount, wait_s), abs=1e-6)


@given(st.floats(1, 20), AMOUNTS)
def test_what_is_given_back_never_overfills(capacity: float, given_back: float) -> None:
    """A burst stays as large as it was said to be."""
    bucket = Bucket(capacity, 1.0, 0.0)
    bucket.take(-given_back)
    bucket.take(capacity)
    assert pytest.approx(1.0) == bucket.wait_s(1.0, 0.0)
