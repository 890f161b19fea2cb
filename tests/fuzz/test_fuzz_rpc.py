"""gRPC: any bytes to any method, with deadlines and cancellations mixed in, and never a fault of ours."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from random import Random

import grpc.aio
import pytest
from fuzz_faults import faults
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from rpc_fuzz import Call, calls, methods_of, wrong
from tenants_machine import machine_for, run
from world import memory_world

from support.fuzz_results import SEED, count, record

pytestmark = pytest.mark.integration

#: So many calls are one example of Hypothesis, and under way together.
AT_ONCE = 8


@pytest.mark.timeout(1800)
def test_no_bytes_are_too_much_for_any_method() -> None:
    """No INTERNAL, no UNKNOWN, no call without an end, and every refusal says what it is."""
    examples = count(1_200, 50_000) // AT_ONCE
    done, started_s, found = 0, time.monotonic(), list[str]()
    with asyncio.Runner() as runner, faults() as logged:
        world = contextlib.AsyncExitStack()
        channel, strategy = runner.run(_opened(world))

        @seed(SEED)
        @settings(
            max_examples=examples,
            phases=[Phase.generate],
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(strategy, min_size=AT_ONCE, max_size=AT_ONCE))
        def fuzz(batch: list[Call]) -> None:
            nonlocal done
            done += len(batch)
            found.extend(runner.run(_wrongs(channel, batch)))
            found.extend(logged)
            assert not found

        try:
            fuzz()
        finally:
            record("gRPC, any bytes to any method", done, len(found), time.monotonic() - started_s)
            runner.run(world.aclose())


async def _opened(
    stack: contextlib.AsyncExitStack,
) -> tuple[grpc.aio.Channel, st.SearchStrategy[Call]]:
    """A world in which something has happened, and calls that know of it."""
    world = await stack.enter_async_context(memory_world())
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(world.target))
    machine = await machine_for(world, channel, Random(SEED))
    await run(machine, SEED, 600, walkers=1)
    me = machine.tenants[0]
    ids = {f"{kind}_id": known[-20:] for kind, known in me.told.items() if known}
    return channel, calls(await methods_of(channel), ids, me.key)


async def _wrongs(channel: grpc.aio.Channel, batch: Sequence[Call]) -> list[str]:
    ended = await asyncio.gather(*(wrong(channel, call) for call in batch))
    return [f"{said}\n  {call}" for call, said in zip(batch, ended, strict=True) if said]
