"""The composition root: the only module that names concrete classes and connects them.

Each `serve_*` is one kind of process, and returns when its `stop` is set; `serve_all` is all of them in one.
What only a worker needs (agents, SDKs) is in `opspawn.worker`, so that no other process imports it.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
import structlog
from dramatiq import Broker
from fastapi import FastAPI

from ops_core.admission import AdmissionLimits
from ops_core.agents import AgentService
from ops_core.asks.approvals import ApprovalService
from ops_core.asks.inputs import InputService
from ops_core.asks.links import ApprovalLinks
from ops_core.budgets.service import BudgetService
from ops_core.errors import BrokerUnavailable, StoreUnavailable
from ops_core.family import FamilyLimits
from ops_core.flow.service import LimitService
from ops_core.identity.audit_service import AuditService
from ops_core.identity.audit_upkeep import AuditUpkeep
from ops_core.identity.gate import Gate
from ops_core.identity.key_service import ApiKeyService
from ops_core.identity.tenant_service import TenantService
from ops_core.queue.bell import BackgroundBell, DramatiqBell
from ops_core.queue.broker import in_process_broker, rabbitmq_broker
from ops_core.queue.isolation import Isolate
from ops_core.rpc import Connections, create_server
from ops_core.schedules.firing import DueSchedules
from ops_core.schedules.service import ScheduleService
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.store import (
    Database,
    Presence,
    SqlAgentStore,
    SqlAskStore,
    SqlAuditStore,
    SqlBudgetStore,
    SqlDueStore,
    SqlKeyStore,
    SqlLimitStore,
    SqlScheduleStore,
    SqlTaskStore,
    SqlTenantStore,
    SqlThreadStore,
    SqlUpkeepStore,
    SqlWebhooks,
    TellingTaskStore,
    TellingWorkerStore,
    check_isolation,
)
from ops_core.threads import ThreadService
from ops_core.upkeep.dispatcher import Dispatcher
from ops_core.webhooks.service import WebhookService
from opspawn import identity, logs, migrate
from opspawn.agent_doors import rest_app
from opspawn.agents.contract import AGENT_KIND, TASK_TYPES
from opspawn.database_errors import DATABASE_ERRORS
from opspawn.defining import define, written_agents
from opspawn.doors import (
    StartError,
    ended_by_itself,
    host_of,
    listen,
    serve_rest,
    serve_rpc,
    together,
)
from opspawn.preconditions import check_memory_is_shared, explained, mistakes, required_url
from opspawn.settings import Settings
from opspawn.solitary import SolitaryProcess
from opspawn.streaming import AnySignals, close_at, signals_of, streams_of
from opspawn.tls import open_port
from opspawn.webhooks import deliverer_of, upkeep_of

if TYPE_CHECKING:
    from opspawn.agents.definitions import Written

log = structlog.get_logger(__name__)

#: What one pass of upkeep looks at: gates of concurrency keys, budgets with dead reservations, and changes of
#: what is under way.
GATES: Final = 100
RESERVATIONS: Final = 50
LOAD: Final = 10_000

#: How long the broker may take to hear that we leave. Seconds.
GOODBYE_S: Final = 2.0

#: Approvals and questions that expire in one pass of the dispatcher. Some 3 ms each.
ASKS_AT_ONCE: Final = 100


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


@dataclass(frozen=True)
class Parts:
    """What the processes share: one pool, one broker, one bell, and what is told in passing."""

    settings: Settings
    database: Database
    url: str
    direct_url: str
    """To the server itself, never through a transaction pooler: session locks live there."""

    broker: Broker
    bell: DramatiqBell
    signals: AnySignals

    @property
    def limits(self) -> FamilyLimits:
        settings = self.settings
        return FamilyLimits(max_children=settings.max_children, max_depth=settings.max_depth)

    @property
    def admission(self) -> AdmissionLimits:
        return AdmissionLimits(
            max_unfinished=self.settings.max_unfinished_tasks,
            max_backlog=self.settings.max_backlog,
            tenants=self.settings.tenant_limits,
        )

    def tasks(self) -> SqlTaskStore:
        return TellingTaskStore(
            self.database,
            self.signals.changed,
            ring_grace_s=self.settings.ring_grace_s,
            limits=self.limits,
            admission=self.admission,
        )

    def schedules(self) -> SqlScheduleStore:
        return SqlScheduleStore(
            self.database,
            ring_grace_s=self.settings.ring_grace_s,
            limits=self.limits,
            admission=self.admission,
        )

    def probes(self) -> Mapping[str, Callable[[], Awaitable[object]]]:
        """What must work for a door to be ready. Not the broker: a task is accepted without it."""
        return {"store": self.tasks().check}


@asynccontextmanager
async def opened(settings: Settings, database_url: str | None = None) -> AsyncIterator[Parts]:
    """The parts over the given servers. Raises `StartError` when the database cannot be used."""
    logs.configure(settings)
    url = database_url or required_url(settings)
    broker_url = settings.rabbitmq_url
    broker = rabbitmq_broker(broker_url.get_secret_value()) if broker_url else in_process_broker()
    signals = signals_of(settings)
    database = Database(url, pool_size=settings.database_pool)
    bell = DramatiqBell(broker)
    try:
        await _check_database(database, url)
        direct = settings.database_direct_url if database_url is None else None
        direct_url = direct.get_secret_value() if direct else url
        yield Parts(settings, database, url, direct_url, broker, bell, signals)
    finally:
        signals.close()
        bell.close()
        await _say_goodbye(broker)
        await database.close()


def check_agents(settings: Settings) -> None:
    """Whether agents can be defined and run with these settings at all. Raises `SettingsError`."""
    written_agents(settings)
    # Imported here: no other process imports agents and SDKs.
    from opspawn.worker import check

    check(settings)


async def serve_api(settings: Settings, stop: asyncio.Event) -> None:
    """The REST door."""
    written = written_agents(settings)
    async with opened(settings) as parts, ringing(parts, stop) as services:
        await _define(parts, services, written)
        await serve_rest(_app(parts, services), listen(settings, "api_port"), stop)


async def serve_grpc(settings: Settings, stop: asyncio.Event) -> None:
    """The gRPC door."""
    written = written_agents(settings)
    async with opened(settings) as parts, ringing(parts, stop) as services:
        await _define(parts, services, written)
        server, _ = _open_grpc(parts, services)
        await serve_rpc(server, stop)


async def serve_dispatcher(settings: Settings, stop: asyncio.Event) -> None:
    """Upkeep: rings, deadlines, tasks of dead workers."""
    async with opened(settings) as parts:
        await _check_broker(parts)
        async with together() as both:
            both.create_task(_dispatcher(parts).run(stop))
            both.create_task(deliverer_of(parts.settings, parts.database).run(stop))


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
    from opspawn.worker import default_choice

    _check_memory_is_free(settings)
    written = written_agents(settings)
    started = asyncio.Event()
    rest = listen(settings, "api_port")
    async with opened(settings, database_url) as parts, ringing(parts, stop) as services:
        await _define(parts, services, written)
        await _check_broker(parts)
        rpc, rpc_port = _open_grpc(parts, services)
        choice = default_choice(settings)
        new_key = await identity.first_key(settings, parts.database)
        async with together() as processes:
            processes.create_task(serve_rest(_app(parts, services), rest, stop))
            processes.create_task(serve_rpc(rpc, stop))
            processes.create_task(_dispatcher(parts).run(stop))
            processes.create_task(deliverer_of(parts.settings, parts.database).run(stop))
            processes.create_task(_run_worker(parts, services, stop, started.set))
            await started.wait()
            ready(
                Endpoints(
                    api_url=f"http://{host_of(settings)}:{rest.getsockname()[1]}",
                    grpc_target=f"{host_of(settings)}:{rpc_port}",
                    provider=choice.provider,
                    model=choice.model,
                    toy=choice.is_toy,
                    new_key=str(new_key) if new_key else None,
                    key_file=settings.key_file,
                )
            )


@asynccontextmanager
async def ringing(parts: Parts, stop: asyncio.Event) -> AsyncIterator[Services]:
    """The services, with its background publisher running. Should that ever end, the process is stopped."""
    background = BackgroundBell(parts.bell)
    publishing = asyncio.create_task(background.run())
    publishing.add_done_callback(lambda _: stop.set())
    parts.signals.start()
    agents = SqlAgentStore(parts.database)
    tasks = TaskService(parts.tasks(), TASK_TYPES, background.ring_soon, agents)
    async with identity.gate(parts.settings, parts.database) as gate:
        services = _services(parts, tasks, agents, gate)
        closing = asyncio.create_task(close_at(stop, services.streams))
        try:
            yield services
            if publishing.done():
                raise ended_by_itself("the publisher of rings", publishing)
        finally:
            for task in (publishing, closing):
                task.cancel()
            await asyncio.gather(publishing, closing, return_exceptions=True)


def _services(parts: Parts, tasks: TaskService, agents: SqlAgentStore, gate: Gate) -> Services:
    secret, asks = parts.settings.link_secret, SqlAskStore(parts.database)
    approvals = ApprovalService(asks, tasks)
    links = ApprovalLinks(
        approvals,
        secret.get_secret_value() if secret else None,
        public_url=parts.settings.public_url,
    )
    return Services(
        gate=gate,
        tasks=tasks,
        approvals=approvals,
        inputs=InputService(asks, tasks),
        links=links,
        streams=streams_of(parts.settings, tasks, parts.database, parts.signals),
        schedules=ScheduleService(parts.schedules(), tasks),
        agents=AgentService(agents, AGENT_KIND),
        threads=ThreadService(SqlThreadStore(parts.database), TASK_TYPES),
        keys=ApiKeyService(SqlKeyStore(parts.database)),
        tenants=TenantService(SqlTenantStore(parts.database)),
        audit=AuditService(SqlAuditStore(parts.database)),
        webhooks=WebhookService(SqlWebhooks(parts.database), tasks),
        limits=LimitService(SqlLimitStore(parts.database)),
        budgets=BudgetService(SqlBudgetStore(parts.database)),
    )


async def _run_worker(
    parts: Parts,
    services: Services,
    stop: asyncio.Event,
    started: Callable[[], None] = lambda: None,
) -> None:
    solitary = SolitaryProcess(parts.settings, parts.url, parts.direct_url)
    async with together() as both:
        both.create_task(solitary.hand_over(stop))
        both.create_task(_run_agents(parts, services, stop, isolate=solitary.run, started=started))


async def _run_agents(
    parts: Parts,
    services: Services,
    stop: asyncio.Event,
    *,
    isolate: Isolate | None,
    started: Callable[[], None] = lambda: None,
) -> None:
    from opspawn.worker import McpConfigError, MemoryUnusable, ToolError, run_worker  # as above

    # A pool of its own: slow requests at a door of the same process must not hold up a heartbeat.
    database = Database(parts.url, pool_size=parts.settings.database_pool)
    store = TellingWorkerStore(database, parts.signals.changed, Presence(parts.direct_url))
    try:
        await run_worker(
            parts.settings,
            store,
            parts.broker,
            parts.bell,
            services.tasks.submit,
            stop,
            isolate=isolate,
            started=started,
            signals=parts.signals,
        )
    except ToolError as error:
        raise StartError(f"OPSPAWN_TOOLS: {error}") from None
    except McpConfigError as error:  # written again since the start
        raise mistakes(error) from None
    except MemoryUnusable as error:
        raise StartError(f"AGENTKIT_LTM_PROVIDER: {error}") from None
    except StoreUnavailable as error:  # only before its first claim: later it waits
        raise StartError(explained(error, parts.direct_url)) from None
    finally:
        await database.close()


async def _say_goodbye(broker: Broker) -> None:
    """Closes the broker's connections, or else it takes each stop of ours for a lost connection.

    On a thread that nobody waits for at the end: closing blocks for as long as a frozen broker is frozen.
    """
    loop, said = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        # Whatever it says: we leave anyway. A publisher that is stuck may use the connections meanwhile.
        with contextlib.suppress(Exception):
            broker.close()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(said.set)

    threading.Thread(target=close, name="goodbye", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            await said.wait()


def _dispatcher(parts: Parts) -> Dispatcher:
    settings = parts.settings
    store = SqlUpkeepStore(
        parts.database,
        heartbeat_ttl_s=settings.heartbeat_ttl_s,
        reconnect_grace_s=settings.reconnect_grace_s,
        ring_grace_s=settings.ring_grace_s,
        ring_grace_max_s=settings.ring_grace_max_s,
    )
    days = settings.retention_days
    asks = SqlAskStore(parts.database)
    # What it submits it rings for itself, at the end of the same pass.
    judge = TaskService(parts.tasks(), TASK_TYPES, lambda _queue, _task_id: None)
    due_store = SqlDueStore(parts.database, limits=parts.limits, admission=parts.admission)
    due = DueSchedules(due_store, judge)
    audit = AuditUpkeep(SqlAuditStore(parts.database), settings.audit_days * 86_400)
    return Dispatcher(
        store,
        parts.bell,
        busy_s=settings.dispatch_busy_s,
        idle_s=settings.dispatch_idle_s,
        retention_s=None if days is None else days * 86_400,
        chores={
            "asks_expired": lambda: asks.expire_asks(ASKS_AT_ONCE),
            "audit_pruned": audit.prune,
            "scheduled": due.run,
            "deliveries_pruned": upkeep_of(settings, parts.database).prune,
            "opened": lambda: store.open_gates(GATES),
            "freed": lambda: store.free_reservations(RESERVATIONS),
            "folded": lambda: store.fold_load(LOAD),
        },
    )


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


async def _check_database(database: Database, url: str) -> None:
    try:
        revision = await SqlTaskStore(database).check()
    except (StoreUnavailable, *DATABASE_ERRORS) as error:
        raise StartError(explained(error, url)) from None
    if migrate.is_behind(revision):
        raise StartError(
            f"The database is at revision {revision} and this build needs {migrate.head()}: "
            "run `opspawn migrate`."
        )
    try:
        await check_isolation(database)
    except (StoreUnavailable, *DATABASE_ERRORS) as error:
        raise StartError(explained(error, url)) from None


async def _check_broker(parts: Parts) -> None:
    try:
        await parts.bell.check()
    except BrokerUnavailable as error:
        raise StartError(f"RABBITMQ_URL: {error}") from None
