"""The domain over fakes, for tests that are about one part of it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from ops_core.agents import AgentService
from ops_core.asks.approvals import ApprovalService
from ops_core.asks.inputs import InputService
from ops_core.asks.links import ApprovalLinks
from ops_core.budgets.service import BudgetService
from ops_core.fleet import FleetService
from ops_core.flow.service import LimitService
from ops_core.identity.audit_service import AuditService
from ops_core.identity.gate import Gate, OpenGate
from ops_core.identity.key_service import ApiKeyService
from ops_core.identity.tenant_service import TenantService
from ops_core.memories import MemoryService, MemoryShelf
from ops_core.metrics import MetricsService
from ops_core.ports import AgentKind, TaskType
from ops_core.schedules.port import ScheduleStore
from ops_core.schedules.service import ScheduleService
from ops_core.service import TaskService
from ops_core.services import Services
from ops_core.streams.hub import DEFAULT_STREAM_SETTINGS, StreamSettings
from ops_core.streams.service import EventStreams
from ops_core.streams.signals import Signals
from ops_core.testing.memory import MemoryStore
from ops_core.testing.memory_budgets import MemoryBudgetStore
from ops_core.testing.memory_figures import MemoryFiguresStore
from ops_core.testing.memory_fleet import MemoryFleetStore
from ops_core.testing.memory_flow import MemoryLimitStore
from ops_core.testing.memory_identity import (
    MemoryAuditStore,
    MemoryIdentity,
    MemoryKeyStore,
    MemoryTenantStore,
)
from ops_core.testing.memory_schedules import MemorySchedules
from ops_core.testing.memory_shelf import InMemoryShelf
from ops_core.testing.memory_webhooks import MemoryWebhooks
from ops_core.testing.news import TaskByTask
from ops_core.threads import ThreadService
from ops_core.webhooks.pushes import PushService
from ops_core.webhooks.service import WebhookService

#: A definition may hold anything.
ANY_AGENT = AgentKind(definition_schema={"type": "object"})


def services_of(  # noqa: PLR0913  # a fake each, which a test may choose
    tasks: TaskService,
    store: MemoryStore | None = None,
    *,
    types: Mapping[str, TaskType] | None = None,
    kind: AgentKind = ANY_AGENT,
    link_secret: str | None = None,
    signals: Signals | None = None,
    streams: StreamSettings = DEFAULT_STREAM_SETTINGS,
    schedules: ScheduleStore | None = None,
    gate: Gate | None = None,
    identity: MemoryIdentity | None = None,
    webhooks: MemoryWebhooks | None = None,
    shelf: MemoryShelf | None = None,
) -> Services:
    """All services: the given one, and every other over `store`, or over a fake of its own.

    Everybody is let in.
    """
    store = store or MemoryStore()
    approvals = ApprovalService(store, tasks)
    schedules = schedules or MemorySchedules(MemoryStore(), lambda: datetime.now(UTC))
    known = identity or MemoryIdentity()
    hooks = webhooks or MemoryWebhooks(store)
    following = EventStreams(tasks, TaskByTask(tasks), signals, settings=streams)
    return Services(
        gate=gate or OpenGate(),
        tasks=tasks,
        approvals=approvals,
        inputs=InputService(store, tasks),
        links=ApprovalLinks(approvals, link_secret, gate=gate),
        streams=following,
        schedules=ScheduleService(schedules, tasks),
        agents=AgentService(store.agents, kind),
        threads=ThreadService(store.threads, types or {}),
        keys=ApiKeyService(MemoryKeyStore(known)),
        tenants=TenantService(MemoryTenantStore(known, store.own_limits)),
        audit=AuditService(MemoryAuditStore(known)),
        webhooks=WebhookService(hooks, tasks),
        pushes=PushService(hooks, tasks),
        limits=LimitService(MemoryLimitStore(store)),
        budgets=BudgetService(MemoryBudgetStore(store)),
        memories=MemoryService(shelf or InMemoryShelf()),
        fleet=FleetService(MemoryFleetStore(store)),
        metrics=MetricsService(MemoryFiguresStore(store, hooks), following.count),
    )
