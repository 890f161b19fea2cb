"""The PostgreSQL store: one class a role (doors, worker, upkeep), over one pool."""

from ops_core.store.agents import SqlAgentStore
from ops_core.store.asks import SqlAskStore
from ops_core.store.audit import SqlAuditStore
from ops_core.store.budgets import SqlBudgetStore
from ops_core.store.client import SqlTaskStore
from ops_core.store.credentials import SqlCredentialStore
from ops_core.store.database import Database
from ops_core.store.deliveries import SqlDeliveries
from ops_core.store.due_schedules import SqlDueStore
from ops_core.store.figures import SqlFiguresStore
from ops_core.store.fleet import SqlFleetStore
from ops_core.store.isolation import check_isolation
from ops_core.store.keys import SqlKeyStore
from ops_core.store.limits import SqlLimitStore
from ops_core.store.news import SqlNews
from ops_core.store.presence import Presence
from ops_core.store.pushes import SqlPushes
from ops_core.store.schedules import SqlScheduleStore
from ops_core.store.shrinking import kept_small
from ops_core.store.statistics import SqlStatistics
from ops_core.store.telling import TellingTaskStore, TellingWorkerStore
from ops_core.store.tenants import SqlTenantStore
from ops_core.store.threads import SqlThreadStore
from ops_core.store.upkeep import SqlUpkeepStore
from ops_core.store.webhooks import SqlWebhooks
from ops_core.store.worker import SqlWorkerStore

__all__ = [
    "Database",
    "Presence",
    "SqlAgentStore",
    "SqlAskStore",
    "SqlAuditStore",
    "SqlBudgetStore",
    "SqlCredentialStore",
    "SqlDeliveries",
    "SqlDueStore",
    "SqlFiguresStore",
    "SqlFleetStore",
    "SqlKeyStore",
    "SqlLimitStore",
    "SqlNews",
    "SqlPushes",
    "SqlScheduleStore",
    "SqlStatistics",
    "SqlTaskStore",
    "SqlTenantStore",
    "SqlThreadStore",
    "SqlUpkeepStore",
    "SqlWebhooks",
    "SqlWorkerStore",
    "TellingTaskStore",
    "TellingWorkerStore",
    "check_isolation",
    "kept_small",
]
