"""Fakes that ship: they pass the same conformance suites as the real adapters."""

from ops_core.testing.bell import RecordingBell
from ops_core.testing.clock import FrozenClock
from ops_core.testing.memory import MemoryStore
from ops_core.testing.memory_agents import MemoryAgentStore
from ops_core.testing.memory_budgets import MemoryBudgetStore
from ops_core.testing.memory_figures import MemoryFiguresStore
from ops_core.testing.memory_fleet import MemoryFleetStore
from ops_core.testing.memory_flow import MemoryLimitStore
from ops_core.testing.memory_identity import (
    MemoryAuditStore,
    MemoryCredentialStore,
    MemoryIdentity,
    MemoryKeyStore,
    MemoryTenantStore,
)
from ops_core.testing.memory_schedules import MemorySchedules
from ops_core.testing.memory_shelf import InMemoryShelf
from ops_core.testing.memory_threads import MemoryThreadStore
from ops_core.testing.memory_webhooks import MemoryWebhooks
from ops_core.testing.services import services_of

__all__ = [
    "FrozenClock",
    "InMemoryShelf",
    "MemoryAgentStore",
    "MemoryAuditStore",
    "MemoryBudgetStore",
    "MemoryCredentialStore",
    "MemoryFiguresStore",
    "MemoryFleetStore",
    "MemoryIdentity",
    "MemoryKeyStore",
    "MemoryLimitStore",
    "MemorySchedules",
    "MemoryStore",
    "MemoryTenantStore",
    "MemoryThreadStore",
    "MemoryWebhooks",
    "RecordingBell",
    "services_of",
]
