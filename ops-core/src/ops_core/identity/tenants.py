"""Tenants: who may have keys and tasks."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ops_core.errors import MissingScope
from ops_core.principal import Principal
from ops_core.scopes import Scope

#: Whose callers operate the server.
OPERATOR: Final = "default"

#: As the table has it.
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant. One that is disabled is let in nowhere; its tasks go on, and its schedules stand still."""

    tenant_id: str
    name: str
    created_at: datetime
    disabled_at: datetime | None
    max_unfinished: int | None = None
    """How many unfinished tasks it may have; None: as many as the settings say."""


def is_tenant_id(text: str) -> bool:
    """Whether a tenant could have this id."""
    return _ID.fullmatch(text) is not None


def refuse_guests(by: Principal, scope: Scope) -> None:
    """For what concerns all tenants: `admin` of another tenant is everything within that one.

    Raises `MissingScope`.
    """
    if by.tenant_id != OPERATOR:
        raise MissingScope(f"{scope} of the tenant {OPERATOR}")
