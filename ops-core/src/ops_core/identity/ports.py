"""What identity asks of a store. Every method may raise `StoreUnavailable`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ops_core.identity.audit import AuditEntry, AuditRecord
from ops_core.identity.keys import ApiKey, Credential, NewApiKey
from ops_core.identity.tenants import Tenant


class KeyPlace(NamedTuple):
    """Which key."""

    tenant_id: str
    key_id: str


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Keys, newest first, and where the next page begins."""

    keys: Sequence[ApiKey]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class TenantPage:
    """Tenants, newest first, and where the next page begins."""

    tenants: Sequence[Tenant]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Lines of the audit log, newest first, and where the next page begins."""

    records: Sequence[AuditRecord]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What is left out does not filter."""

    subject: str | None = None
    action: str | None = None
    object: str | None = None


class CredentialStore(Protocol):
    """What is asked before the tenant is known, and therefore across tenants."""

    async def credential(self, key_id: str) -> Credential | None:
        """The key with this id, of whatever tenant."""

    async def is_open(self, tenant_id: str) -> bool:
        """Whether there is such a tenant, and it is not disabled."""

    async def note_uses(self, uses: Mapping[KeyPlace, float]) -> None:
        """Keeps when keys were last used: so many seconds ago."""

    async def has_keys(self) -> bool:
        """Whether there is any key at all that can still be used."""


class KeyStore(Protocol):
    """The keys of a tenant. What changes one is in the audit log, in the same transaction."""

    async def create(self, new: NewApiKey, entry: AuditEntry) -> ApiKey:
        """Raises `TenantNotFound`."""

    async def get(self, tenant_id: str, key_id: str) -> ApiKey:
        """Raises `ApiKeyNotFound`."""

    async def page(self, tenant_id: str, *, limit: int, cursor: str | None) -> KeyPage:
        """Raises `InvalidRequest` for a cursor that was not given out."""

    async def rotate(
        self, tenant_id: str, key_id: str, secret_hash: bytes, grace_s: float, entry: AuditEntry
    ) -> ApiKey:
        """Replaces the secret; the one before is good for `grace_s` more.

        Raises `ApiKeyNotFound`, or `ApiKeyRevoked`.
        """

    async def revoke(self, tenant_id: str, key_id: str, entry: AuditEntry) -> ApiKey:
        """Closes a key for ever; one that is revoked stays as it is. Raises `ApiKeyNotFound`."""


class TenantStore(Protocol):
    """All tenants: for the operator of the server."""

    async def create(
        self, tenant_id: str, name: str, first: NewApiKey, entry: AuditEntry
    ) -> Tenant:
        """Stores it with its first key. Raises `TenantExists`."""

    async def page(self, *, limit: int, cursor: str | None) -> TenantPage:
        """Raises `InvalidRequest` for a cursor that was not given out."""

    async def disable(self, tenant_id: str, entry: AuditEntry) -> Tenant:
        """Raises `TenantNotFound`."""

    async def enable(self, tenant_id: str, entry: AuditEntry) -> Tenant:
        """Raises `TenantNotFound`."""

    async def get(self, tenant_id: str) -> Tenant:
        """Raises `TenantNotFound`."""

    async def limit(self, tenant_id: str, max_unfinished: int | None, entry: AuditEntry) -> Tenant:
        """From the next submit on, at every door. Raises `TenantNotFound`."""


class AuditStore(Protocol):
    """The audit log of a tenant: written and read, never changed, and deleted only with age."""

    async def write(self, entry: AuditEntry) -> None:
        """Returns when it is on disk."""

    async def page(
        self, tenant_id: str, where: AuditFilter, *, limit: int, cursor: str | None
    ) -> AuditPage:
        """Raises `InvalidRequest` for a cursor that was not given out."""

    async def prune(self, older_than_s: float, limit: int) -> int:
        """For upkeep: deletes at most `limit` of the oldest lines, whosever they are. Returns how many."""
