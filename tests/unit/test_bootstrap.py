"""What a process does when one of its parts ends by itself, and how it leaves the broker."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator

import grpc
import pytest
import uvicorn
from dramatiq.brokers.stub import StubBroker

from ops_core.errors import StoreUnavailable
from ops_core.queue.bell import BackgroundBell, DramatiqBell
from ops_core.store import Database
from ops_core.streams.local import LocalSignals
from opspawn import bootstrap
from opspawn import parts as opening
from opspawn.composition import ringing
from opspawn.database_errors import explained
from opspawn.doors import EndedByItself, serve_rest, serve_rpc, together
from opspawn.parts import Parts, opened
from opspawn.preconditions import StartError
from opspawn.settings import Settings


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    """Parts that connect to nothing."""
    url = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
    broker = StubBroker(middleware=[])
    bell = DramatiqBell(broker)
    database = Database(url)
    yield Parts(Settings(), database, url, url, broker, bell, LocalSignals())
    bell.close()
    await database.close()


@pytest.mark.parametrize("error", [None, OSError("the socket is gone")])
async def test_a_rest_door_that_ended_ends_the_process(
    error: OSError | None, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process whose door is shut must not look alive."""

    async def serve(_self: uvicorn.Server, sockets: list[socket.socket]) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(uvicorn.Server, "serve", serve)
    stop = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with ringing(parts, stop) as service:
            with pytest.raises(EndedByItself, match="the REST door ended by itself") as ended:
                async with asyncio.timeout(5):
                    await serve_rest(bootstrap._app(parts, service), listening, stop)
    assert error is ended.value.__cause__


async def test_a_grpc_door_that_ended_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for gRPC."""
    server, started = grpc.aio.server(), asyncio.Event()
    server.add_insecure_port("127.0.0.1:0")
    start = server.start

    async def tell() -> None:
        await start()
        started.set()

    monkeypatch.setattr(server, "start", tell)
    serving = asyncio.create_task(serve_rpc(server, asyncio.Event()))
    async with asyncio.timeout(5):
        await started.wait()
        await server.stop(None)
        with pytest.raises(EndedByItself, match="the gRPC door ended by itself"):
            await serving


async def test_a_door_that_is_told_to_stop_stops_quietly(parts: Parts) -> None:
    """Both doors return when `stop` is set."""
    stop = asyncio.Event()
    stop.set()
    server = grpc.aio.server()
    server.add_insecure_port("127.0.0.1:0")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with asyncio.timeout(10), ringing(parts, stop) as service:
            await serve_rpc(server, stop)
            await serve_rest(bootstrap._app(parts, service), listening, stop)


async def test_a_publisher_that_ended_stops_the_process(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A door that accepts tasks and rings for none is deaf: its process is stopped, with the reason."""

    async def run(_self: BackgroundBell) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(BackgroundBell, "run", run)
    stop = asyncio.Event()
    with pytest.raises(EndedByItself, match="the publisher of rings ended by itself: a bug"):
        async with asyncio.timeout(5), ringing(parts, stop):
            await stop.wait()


async def test_the_first_error_of_several_processes_is_told_as_it_is() -> None:
    """`opspawn up` says what failed, not that something in a group did."""
    cause = OSError("below")

    async def fail() -> None:
        raise StartError("OPSPAWN_X: is wrong") from cause

    async def serve() -> None:
        async with together() as processes:
            processes.create_task(fail())
            processes.create_task(asyncio.Event().wait())

    with pytest.raises(StartError, match="OPSPAWN_X") as failed:
        await serve()
    assert cause is failed.value.__cause__


class _Broker(StubBroker):
    """Whose closing takes until it is allowed to end, as with a frozen server."""

    def __init__(self, *, frozen: bool) -> None:
        super().__init__(middleware=[])
        self.closed = threading.Event()
        self.thaw = threading.Event()
        if not frozen:
            self.thaw.set()

    def close(self) -> None:
        self.thaw.wait(30)
        self.closed.set()


async def _open_and_leave(broker: _Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def usable(*_: object) -> None:
        return None

    monkeypatch.setattr(opening, "in_process_broker", lambda: broker)
    monkeypatch.setattr(opening, "_check_database", usable)
    url = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
    async with asyncio.timeout(5), opened(Settings(rabbitmq_url=None), url):
        pass


async def test_the_broker_is_closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the process ends: RabbitMQ would take it for a lost connection."""
    broker = _Broker(frozen=False)
    await _open_and_leave(broker, monkeypatch)
    assert broker.closed.is_set()


async def test_a_frozen_broker_does_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing is given up after a moment, on a thread that does not keep the process either."""
    monkeypatch.setattr(opening, "GOODBYE_S", 0.05)
    broker = _Broker(frozen=True)
    await _open_and_leave(broker, monkeypatch)
    closing = [thread for thread in threading.enumerate() if thread.name == "goodbye"]
    assert [True] == [thread.daemon for thread in closing]
    assert not broker.closed.is_set()
    broker.thaw.set()
    for thread in closing:
        thread.join(5)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (None, "DATABASE_URL: no tables yet"),
        (ConnectionRefusedError(), "DATABASE_URL: Nobody listens at host:5432/name; "),
    ],
)
def test_the_store_being_away_is_told_as_migrate_tells_it(
    cause: Exception | None, expected: str
) -> None:
    """What PostgreSQL or the system said, in the same words; else the store's own, and no password."""
    error = StoreUnavailable("no tables yet")
    error.__cause__ = cause
    said = explained(error, "postgresql+asyncpg://u:hunter2@host/name")
    assert said.startswith(expected)
    assert "hunter2" not in said
