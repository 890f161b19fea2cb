"""What the doors translate: one service a subject, put together by the composition root."""

from dataclasses import dataclass

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
from ops_core.memories import MemoryService
from ops_core.metrics import MetricsService
from ops_core.schedules.service import ScheduleService
from ops_core.service import TaskService
from ops_core.streams.service import EventStreams
from ops_core.threads import ThreadService
from ops_core.webhooks.pushes import PushService
from ops_core.webhooks.service import WebhookService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The whole domain, as a door sees it."""

    gate: Gate
    """Every request goes through it before anything of it is read."""

    tasks: TaskService
    approvals: ApprovalService
    inputs: InputService
    links: ApprovalLinks
    streams: EventStreams
    schedules: ScheduleService
    agents: AgentService
    threads: ThreadService
    keys: ApiKeyService
    tenants: TenantService
    audit: AuditService
    webhooks: WebhookService
    pushes: PushService
    limits: LimitService
    budgets: BudgetService
    memories: MemoryService
    fleet: FleetService
    metrics: MetricsService
