"""The audit log as a door sees it."""

from ops_core.identity.ports import AuditFilter, AuditPage, AuditStore


class AuditService:
    """The audit log of the caller's own tenant."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def page(
        self, where: AuditFilter, *, tenant_id: str, limit: int, cursor: str | None
    ) -> AuditPage:
        """Newest first. Raises `InvalidRequest`."""
        return await self._store.page(tenant_id, where, limit=limit, cursor=cursor)
