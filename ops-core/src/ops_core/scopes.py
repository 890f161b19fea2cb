"""What a caller may be let in for: a short, closed list."""

from collections.abc import Set
from enum import StrEnum


class Scope(StrEnum):
    """One right, always within the caller's own tenant."""

    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    #: Apart from `tasks:write`: whoever may submit work must not be able to approve what it does.
    APPROVALS_RESOLVE = "approvals:resolve"
    AGENTS_READ = "agents:read"
    AGENTS_WRITE = "agents:write"
    SCHEDULES_READ = "schedules:read"
    SCHEDULES_WRITE = "schedules:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    #: What agents know of people: apart from what they do.
    MEMORIES_READ = "memories:read"
    MEMORIES_WRITE = "memories:write"
    BUDGETS_READ = "budgets:read"
    BUDGETS_WRITE = "budgets:write"
    KEYS_ADMIN = "keys:admin"
    AUDIT_READ = "audit:read"
    #: Of use to callers of the tenant `default` only, as are those below.
    TENANTS_ADMIN = "tenants:admin"
    WORKERS_READ = "workers:read"
    WORKERS_WRITE = "workers:write"
    METRICS_READ = "metrics:read"
    #: All of them.
    ADMIN = "admin"


def allows(held: Set[Scope], needed: Scope) -> bool:
    """Whether these scopes let a caller do what needs that one."""
    return needed in held or Scope.ADMIN in held
