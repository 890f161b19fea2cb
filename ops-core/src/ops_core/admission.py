"""How much may be under way before a new task is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ops_core.errors import BacklogFull, NotNow, TooManyTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """Unfinished tasks that may be stored; None: any number.

    A child of a task is always admitted, and counted: what was accepted must be able to end, and families
    have limits of their own.
    """

    max_unfinished: int | None = None
    """Of one tenant."""

    max_backlog: int | None = None
    """Of all tenants together."""

    tenants: Mapping[str, int] = field(default_factory=dict)
    """Tenants that have another limit."""

    def of(self, tenant_id: str) -> int | None:
        """The limit of one tenant, unless the operator has given it another one (`Tenant.max_unfinished`)."""
        return self.tenants.get(tenant_id, self.max_unfinished)


def refusal(why: str, most: int | None) -> NotNow:
    """The error for a type that a store gave as its reason. `most`: what the tenant may have."""
    return BacklogFull() if why == BacklogFull.type else TooManyTasks(most or 0)


UNLIMITED: Final = AdmissionLimits()
