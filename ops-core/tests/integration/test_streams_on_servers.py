"""Streams whose servers go away: nothing is lost, repeated or out of order."""

import asyncio
import socket
from collections.abc import Callable

import pytest
from stream_log import WITHIN_S, StreamLog, rest_of, seqs

from ops_core.queue.signals import RabbitSignals
from opspawn import migrate
from support.postgres_server import PostgresServer

pytestmark = pytest.mark.integration


async def test_a_stream_goes_on_when_the_database_is_back(
    own_postgres: Callable[[], PostgresServer],
) -> None:
    """A restart in the middle costs time: for those at the edge, and for one that is still reading."""
    server = own_postgres()
    await asyncio.to_thread(migrate.upgrade, server.url)
    async with StreamLog.open(server.url) as log, asyncio.timeout(WITHIN_S):
        await log.write(10)
        edge, behind = await log.watch(after=12), await log.watch(after=0)
        with edge, behind:
            await asyncio.to_thread(server.kill)
            assert [(), ()] == [await watch.next(0.3) for watch in (edge, behind)]
            await asyncio.to_thread(server.start)
            await log.write(5)
            await log.end()
            found = [await rest_of(watch) for watch in (edge, behind)]
    assert [list(range(13, 19)), list(range(1, 19))] == found


async def test_a_stream_goes_on_beside_a_broker_that_says_nothing(database_url: str) -> None:
    """Connections are taken and never answered: nobody who publishes is held, and readers look."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        limits = "connection_attempts=1&socket_timeout=1&stack_timeout=1"
        signals = RabbitSignals(f"amqp://guest:guest@127.0.0.1:{port}/%2F?{limits}")
        signals.start()
        async with StreamLog.open(database_url, signals) as log, asyncio.timeout(WITHIN_S):
            with await log.watch(after=2) as watch:
                await log.write(20)
                assert list(range(3, 23)) == await seqs(watch, 20)
        signals.close()
        await asyncio.to_thread(signals._thread.join, WITHIN_S)


async def test_a_signal_brings_an_event_that_nobody_looks_for(
    database_url: str, rabbitmq_url: str
) -> None:
    """With looks an hour apart: from the commit over the broker to who watches."""
    door, worker = RabbitSignals(rabbitmq_url), RabbitSignals(rabbitmq_url)
    for signals in (door, worker):
        signals.start()
    async with (
        StreamLog.open(database_url, worker, to=door, rest_s=3600) as log,
        asyncio.timeout(WITHIN_S),
    ):
        with await log.watch(after=2, deltas=True) as watch:
            while not worker.wants_deltas(watch.topic.key):
                await asyncio.sleep(0.01)
            await watch.next(0.01)
            await log.write(3)
            assert [3, 4, 5] == await seqs(watch, 3)
    for signals in (door, worker):
        signals.close()
        await asyncio.to_thread(signals._thread.join, WITHIN_S)
