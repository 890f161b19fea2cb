"""The composition root: with `parts` and `composition` the only module that names concrete classes.

Each `serve_*` is one kind of process, and returns when its `stop` is set; `serve_all` is all of them in one.
What only a worker needs (agents, SDKs) is in `opspawn.worker`, so that no other process imports it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from fastapi import FastAPI

from ops_core.errors import BrokerUnavailable, StoreUnavailable
from ops_core.queue.isolation import Isolate
from ops_core.rpc import Connections, create_server
from ops_core.services import Services
from ops_core.store import (
    Database,
    Presence,
    TellingWorkerStore,
    kept_small,
)
from opspawn import identity
from opspawn.agent_doors import rest_app
from opspawn.composition import dispatcher_of, ringing
from opspawn.database_errors import explained
from opspawn.defining import define, written_agents
from opspawn.doors import (
    host_of,
    listen,
    serve_rest,
    serve_rpc,
    together,
)
from opspawn.memories.access import shared_shelf, shelf_of
from opspawn.parts import Parts, opened
from opspawn.preconditions import StartError, check_agents, check_memory_is_shared, mistakes
from opspawn.settings import Settings
from opspawn.solitary import SolitaryProcess
from opspawn.tls import open_port, rest_certificate
from opspawn.webhooks import deliverer_of

if TYPE_CHECKING:
    from agentkit import ChromaLongTermMemory
    from opspawn.agents.definitions import Written


@dataclass(frozen=True)
class Endpoints:
    """Where a started Opspawn can be reached, and which model its agents use by default."""

    api_url: str
    grpc_target: str
    provider: str
    model: str
    toy: bool
    """Whether that model is the built-in one, which is only for trying things out."""

    new_key: str | None
    """The key that was made because there was none: to be told this once."""

    key_file: Path
    """Where that is kept for commands on this machine."""


async def serve_api(settings: Settings, stop: asyncio.Event) -> None:
    """The REST door."""
    written = written_agents(settings)
    async with opened(settings) as parts, _doors(parts, stop) as services:
        await _define(parts, services, written)
        rest = listen(settings, "api_port")
        await serve_rest(_app(parts, services), rest, stop, rest_certificate(settings))


async def serve_grpc(settings: Settings, stop: asyncio.Event) -> None:
    """The gRPC door."""
    written = written_agents(settings)
    async with opened(settings) as parts, _doors(parts, stop) as services:
        await _define(parts, services, written)
        server, _ = _open_grpc(parts, services)
        await serve_rpc(server, stop)


async def serve_dispatcher(settings: Settings, stop: asyncio.Event) -> None:
    """Upkeep: rings, deadlines, tasks of dead workers."""
    async with opened(settings) as parts, ringing(parts, stop) as services:
        await _check_broker(parts)
        async with together() as both:
            both.create_task(dispatcher_of(parts).run(stop))
            both.create_task(deliverer_of(settings, parts.database, services).run(stop))


async def serve_worker(settings: Settings, stop: asyncio.Event) -> None:
    """A worker: claims tasks and runs their agents. Raises `SettingsError`."""
    check_agents(settings)
    check_memory_is_shared(settings)
    async with opened(settings) as parts, ringing(parts, stop) as services:
        await _check_broker(parts)
        await _run_worker(parts, services, stop)


async def serve_alone(settings: Settings, stop: asyncio.Event) -> None:
    """A solitary worker: runs suspects one at a time, and returns when there are none left.

    It needs no broker: nobody rings for suspects, and what its tasks submit is rung for by upkeep.
    """
    async with opened(settings) as parts, ringing(parts, stop) as services:
        await _run_agents(parts, services, stop, isolate=None)


async def serve_all(
    settings: Settings,
    stop: asyncio.Event,
    ready: Callable[[Endpoints], None],
    *,
    database_url: str | None = None,
) -> None:
    """Everything in one process. `ready` is called when the doors are open and the worker can work.

    Call `check_agents` before, and before a database is started for it.
    """
    from opspawn.worker import default_choice  # no other process imports agents and SDKs

    _check_memory_is_free(settings)
    written = written_agents(settings)
    started = asyncio.Event()
    rest, certificate = listen(settings, "api_port"), rest_certificate(settings)
    async with (
        opened(settings, database_url) as parts,
        _memory(settings) as memory,
        shared_shelf(memory) as shelf,
        ringing(parts, stop, shelf) as services,
    ):
        await _define(parts, services, written)
        await _check_broker(parts)
        rpc, rpc_port = _open_grpc(parts, services)
        choice = default_choice(settings)
        new_key = await identity.first_key(settings, parts.database)
        async with together() as processes:
            processes.create_task(serve_rest(_app(parts, services), rest, stop, certificate))
            processes.create_task(serve_rpc(rpc, stop))
            processes.create_task(dispatcher_of(parts).run(stop))
            processes.create_task(deliverer_of(parts.settings, parts.database, services).run(stop))
            processes.create_task(_run_worker(parts, services, stop, started.set, memory))
            await started.wait()
            ready(
                Endpoints(
                    api_url=f"{settings.api_scheme}://{host_of(settings)}:{rest.getsockname()[1]}",
                    grpc_target=f"{host_of(settings)}:{rpc_port}",
                    provider=choice.provider,
                    model=choice.model,
                    toy=choice.is_toy,
                    new_key=str(new_key) if new_key else None,
                    key_file=settings.key_file,
                )
            )


async def _run_worker(
    parts: Parts,
    services: Services,
    stop: asyncio.Event,
    started: Callable[[], None] = lambda: None,
    memory: "ChromaLongTermMemory | None" = None,
) -> None:
    solitary = SolitaryProcess(parts.settings, parts.url, parts.direct_url)
    async with together() as both:
        both.create_task(solitary.hand_over(stop))
        both.create_task(
            _run_agents(parts, services, stop, isolate=solitary.run, started=started, memory=memory)
        )


async def _run_agents(
    parts: Parts,
    services: Services,
    stop: asyncio.Event,
    *,
    isolate: Isolate | None,
    started: Callable[[], None] = lambda: None,
    memory: "ChromaLongTermMemory | None" = None,
) -> None:
    from opspawn.worker import McpConfigError, MemoryUnusable, ToolError, run_worker  # see there

    # A pool of its own: slow requests at a door of the same process must not hold up a heartbeat.
    pool = Database(parts.url, pool_size=parts.settings.database_pool)
    try:
        async with kept_small(pool) as database:
            await run_worker(
                parts.settings,
                TellingWorkerStore(database, parts.signals.changed, Presence(parts.direct_url)),
                parts.broker,
                parts.bell,
                services.tasks.submit,
                stop,
                isolate=isolate,
                started=started,
                signals=parts.signals,
                memory=memory,
            )
    except ToolError as error:
        raise StartError(f"OPSPAWN_TOOLS: {error}") from None
    except McpConfigError as error:  # written again since the start
        raise mistakes(error) from None
    except MemoryUnusable as error:
        raise _no_memory(error) from None
    except StoreUnavailable as error:  # only before its first claim: later it waits
        raise StartError(explained(error, parts.direct_url)) from None


@asynccontextmanager
async def _doors(parts: Parts, stop: asyncio.Event) -> AsyncIterator[Services]:
    """The services of a process that runs no agents."""
    async with shelf_of(parts.settings) as shelf, ringing(parts, stop, shelf) as services:
        yield services


@asynccontextmanager
async def _memory(settings: Settings) -> AsyncIterator["ChromaLongTermMemory | None"]:
    """What the agents and the doors of one process remember together; its worker opens it."""
    from opspawn.worker import MemoryUnusable, remembering  # as above

    async with AsyncExitStack() as closing:
        try:
            memory = await closing.enter_async_context(remembering(settings, now=False))
        except MemoryUnusable as error:
            raise _no_memory(error) from None
        yield memory


def _no_memory(error: Exception) -> StartError:
    return StartError(f"AGENTKIT_LTM_PROVIDER: {error}")


def _app(parts: Parts, services: Services) -> FastAPI:
    return rest_app(parts.settings, services, parts.probes())


def _open_grpc(parts: Parts, services: Services) -> tuple[grpc.aio.Server, int]:
    settings = parts.settings
    # gRPC says in its own words on standard error what keeps it from a port, so it is tried before.
    listen(settings, "grpc_port").close()
    server = create_server(
        services,
        probes=parts.probes(),
        reflection=settings.grpc_reflection,
        max_message_bytes=settings.max_body_bytes,
        connections=Connections(
            keepalive_s=settings.grpc_keepalive_s,
            max_idle_s=settings.grpc_max_idle_s,
            max_age_s=settings.grpc_max_age_s,
        ),
    )
    return server, open_port(server, settings)


async def _define(parts: Parts, services: Services, written: Sequence["Written"]) -> None:
    try:
        await define(services.agents, written)
    except StoreUnavailable as error:
        raise StartError(explained(error, parts.url)) from None


def _check_memory_is_free(settings: Settings) -> None:
    from opspawn.worker import is_open  # no other process imports agents

    if settings.memory_in_folder and is_open(settings.ltm_chroma_path):
        raise StartError(
            f"AGENTKIT_LTM_CHROMA_PATH: the memory in {settings.ltm_chroma_path} is open in another "
            "process; stop that one, or name another folder."
        )


async def _check_broker(parts: Parts) -> None:
    try:
        await parts.bell.check()
    except BrokerUnavailable as error:
        raise StartError(f"RABBITMQ_URL: {error}") from None
