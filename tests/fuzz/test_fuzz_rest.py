"""REST: whatever the document allows, and what it does not, is answered as the document says."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from random import Random
from typing import Any, TypeVar

import grpc.aio
import pytest
from asgi_call import call
from door_of_uvicorn import listening
from fuzz_faults import faults
from rest_fuzz import Fuzzed, Send, in_process, over_socket, try_each, walk
from tenants_machine import machine_for, run
from world import World, memory_world, postgres_world

from support.fuzz_results import FULL, SEED, count, record

# In full it takes its time.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]


def test_every_answer_is_what_the_document_says() -> None:
    """Status, content type, headers and body of each; no fault of ours; none that does not come."""
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        world = runner.run(stack.enter_async_context(memory_world()))
        send = in_process(lambda *args, **more: runner.run(call(world.app, *args, **more)))
        try:
            fuzz("REST by its document, in memory", runner.run, world, send, count(300, 2_000))
        finally:
            runner.run(stack.aclose())


if FULL:  # a part of the normal tests is the above alone

    def test_every_answer_over_a_socket_is_what_the_document_says(database_url: str) -> None:
        """The same over PostgreSQL and a real socket."""
        with running_loop() as do:
            stack = contextlib.AsyncExitStack()
            world = do(stack.enter_async_context(postgres_world(database_url)))
            url = do(stack.enter_async_context(listening(world.app)))
            try:
                with over_socket(url) as send:
                    fuzz("REST by its document, on PostgreSQL", do, world, send, count(0, 50_000))
            finally:
                do(stack.aclose())


def fuzz(what: str, do: Run[Any], world: World, send: Send, calls: int) -> None:
    """Half of the calls in walks, half of them alone."""
    ids = do(_things(world, min(calls, 600)))
    fuzzed = Fuzzed(send, do(world.operator()), ids, Random(SEED))
    started_s, document = time.monotonic(), world.app.openapi()
    with faults() as logged:
        try:
            walk(document, fuzzed, calls=calls // 2, start=SEED)
            try_each(document, fuzzed, cases=max(1, calls - fuzzed.made), start=SEED)
        finally:
            wrong = [*fuzzed.wrong, *logged]
            record(what, fuzzed.made, len(wrong), time.monotonic() - started_s)
    assert not wrong, "\n\n".join(wrong[:5])


async def _things(world: World, operations: int) -> dict[str, list[str]]:
    """Lets something happen in the operator's own tenant, for the fuzzer to find."""
    async with grpc.aio.insecure_channel(world.target) as channel:
        machine = await machine_for(world, channel, Random(SEED))
        machine.tenants[0].key = await world.operator()
        await run(machine, SEED, operations, walkers=1)
    told = machine.tenants[0].told
    return {f"{kind}_id": known[-20:] for kind, known in told.items() if known} | {
        "step": ["1/tool/1", "1/tool/1/input/1", "1/tool/2/approval/1"],
        "name": [f"agent-{n}" for n in range(6)],
        "key": [f"limit-{n}" for n in range(6)],
    }


@contextlib.contextmanager
def running_loop() -> Iterator[Run[Any]]:
    """A loop in a thread of its own, which serves while this one sends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(300)
    finally:
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_all() -> None:
    """What libraries began and left to the end of the loop, as `asyncio.run` does it."""
    begun = asyncio.all_tasks() - {asyncio.current_task()}
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
