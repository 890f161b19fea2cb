"""Connects the services with their stores: what the doors serve, and what the dispatcher looks after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from ops_core.agents import AgentService
from ops_core.asks.approvals import ApprovalService
from ops_core.asks.inputs import InputService
from ops_core.asks.links import ApprovalLinks
from ops_core.budgets.service import BudgetService
from ops_core.fleet import FleetService
from ops_core.flow.service import LimitService
from ops_core.identity.audit_service import AuditService
from ops_core.identity.gate import Gate
from ops_core.identity.key_service import ApiKeyService
from ops_core.identity.tenant_service import TenantService
from ops_core.memories import MemoryService, MemoryShelf, NoShelf
from ops_core.metrics import MetricsService
from ops_core.queue.bell import BackgroundBell
from ops_core.schedules.firing import DueSchedules
from ops_core.schedules.service import ScheduleService
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.store import (
    SqlAgentStore,
    SqlAskStore,
    SqlAuditStore,
    SqlBudgetStore,
    SqlDeliveries,
    SqlDueStore,
    SqlFiguresStore,
    SqlFleetStore,
    SqlKeyStore,
    SqlLimitStore,
    SqlPushes,
    SqlStatistics,
    SqlTenantStore,
    SqlThreadStore,
    SqlUpkeepStore,
    SqlWebhooks,
)
from ops_core.threads import ThreadService
from ops_core.upkeep.dispatcher import Dispatcher
from ops_core.upkeep.pruning import Pruning
from ops_core.webhooks.pushes import PushService
from ops_core.webhooks.service import WebhookService
from opspawn import identity
from opspawn.agents.contract import AGENT_KIND, TASK_TYPES
from opspawn.doors import ended_by_itself
from opspawn.parts import Parts
from opspawn.streaming import close_at, streams_of

#: What one pass of upkeep looks at: gates of concurrency keys, budgets with dead reservations, and changes of
#: what is under way.
GATES: Final = 100
RESERVATIONS: Final = 50
LOAD: Final = 10_000

#: Approvals and questions that expire in one pass of the dispatcher. Some 3 ms each.
ASKS_AT_ONCE: Final = 100


@asynccontextmanager
async def ringing(
    parts: Parts, stop: asyncio.Event, shelf: MemoryShelf | None = None
) -> AsyncIterator[Services]:
    """The services, with its background publisher running. Should that ever end, the process is stopped.

    `shelf` is for processes with a door.
    """
    background = BackgroundBell(parts.bell)
    publishing = asyncio.create_task(background.run())
    publishing.add_done_callback(lambda _: stop.set())
    parts.signals.start()
    agents = SqlAgentStore(parts.database)
    plain_http = parts.settings.webhook_http
    tasks = TaskService(
        parts.tasks(), TASK_TYPES, background.ring_soon, agents, plain_http=plain_http
    )
    async with identity.gate(parts.settings, parts.database) as gate:
        services = _services(parts, tasks, agents, gate, shelf or NoShelf("it has no door."))
        closing = asyncio.create_task(close_at(stop, services.streams))
        try:
            yield services
            if publishing.done():
                raise ended_by_itself("the publisher of rings", publishing)
        finally:
            for task in (publishing, closing):
                task.cancel()
            await asyncio.gather(publishing, closing, return_exceptions=True)
            await services.metrics.close()


def _services(
    parts: Parts, tasks: TaskService, agents: SqlAgentStore, gate: Gate, shelf: MemoryShelf
) -> Services:
    secret, asks = parts.settings.link_secret, SqlAskStore(parts.database)
    approvals = ApprovalService(asks, tasks)
    links = ApprovalLinks(
        approvals,
        secret.get_secret_value() if secret else None,
        gate=gate,
        public_url=parts.settings.public_url,
    )
    streams = streams_of(parts.settings, tasks, parts.database, parts.signals)
    ttl_s = parts.settings.heartbeat_ttl_s
    return Services(
        gate=gate,
        tasks=tasks,
        approvals=approvals,
        inputs=InputService(asks, tasks),
        links=links,
        streams=streams,
        schedules=ScheduleService(parts.schedules(), tasks),
        agents=AgentService(agents, AGENT_KIND),
        threads=ThreadService(SqlThreadStore(parts.database), TASK_TYPES),
        keys=ApiKeyService(SqlKeyStore(parts.database)),
        tenants=TenantService(SqlTenantStore(parts.database)),
        audit=AuditService(SqlAuditStore(parts.database)),
        webhooks=WebhookService(
            SqlWebhooks(parts.database), tasks, plain_http=parts.settings.webhook_http
        ),
        pushes=PushService(SqlPushes(parts.database), tasks),
        limits=LimitService(SqlLimitStore(parts.database)),
        budgets=BudgetService(SqlBudgetStore(parts.database)),
        memories=MemoryService(shelf),
        fleet=FleetService(SqlFleetStore(parts.database, heartbeat_ttl_s=ttl_s)),
        metrics=MetricsService(
            SqlFiguresStore(parts.database, heartbeat_ttl_s=ttl_s),
            streams.count,
            version=version("opspawn"),
        ),
    )


def dispatcher_of(parts: Parts) -> Dispatcher:
    """Upkeep, with everything that a pass of it looks at."""
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
    agents = SqlAgentStore(parts.database)
    judge = TaskService(
        parts.tasks(),
        TASK_TYPES,
        lambda _queue, _task_id: None,
        agents,
        plain_http=settings.webhook_http,
    )
    due_store = SqlDueStore(parts.database, limits=parts.limits, admission=parts.admission)
    due = DueSchedules(due_store, judge)
    audit = Pruning(SqlAuditStore(parts.database), settings.audit_days * 86_400)
    sent = Pruning(SqlDeliveries(parts.database), settings.webhook_retention_days * 86_400)
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
            "deliveries_pruned": sent.prune,
            "opened": lambda: store.open_gates(GATES),
            "freed": lambda: store.free_reservations(RESERVATIONS),
            "folded": lambda: store.fold_load(LOAD),
            "analyzed": SqlStatistics(parts.database).refresh,
        },
    )
