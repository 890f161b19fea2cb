"""What a tenant can do with the limits of its concurrency keys."""

from dataclasses import dataclass

from ops_core.errors import FieldError, InvalidRequest, LimitNotFound
from ops_core.flow.key_limit import MAX_LIMITS, KeyLimit
from ops_core.flow.port import LimitStore
from ops_core.flow.request import LimitRequest, checked_key


@dataclass(frozen=True, slots=True)
class LimitPage:
    """One page of limits, by key."""

    limits: list[KeyLimit]
    next_cursor: str | None


class LimitService:
    """Limits hold from the next start of a task; what runs is not stopped."""

    def __init__(self, store: LimitStore) -> None:
        self._store = store

    async def put(self, key: str, request: LimitRequest, *, tenant_id: str) -> KeyLimit:
        """Raises `InvalidRequest`."""
        limit = request.limit(checked_key(key))
        if not await self._store.put(tenant_id, limit, at_most=MAX_LIMITS):
            message = f"would be one limit more than the {MAX_LIMITS} that a tenant may have"
            raise InvalidRequest([FieldError("key", message)])
        return limit

    async def get(self, key: str, *, tenant_id: str) -> KeyLimit:
        """Raises `LimitNotFound`, `InvalidRequest`."""
        found = await self._store.get(tenant_id, checked_key(key))
        if found is None:
            raise LimitNotFound(key)
        return found

    async def delete(self, key: str, *, tenant_id: str) -> None:
        """The key has the default again. Raises `LimitNotFound`, `InvalidRequest`."""
        if not await self._store.delete(tenant_id, checked_key(key)):
            raise LimitNotFound(key)

    async def list(
        self, *, tenant_id: str, limit: int = 50, cursor: str | None = None
    ) -> LimitPage:
        """One page, by key; the cursor is the last key of the page before."""
        after = "" if cursor is None else checked_key(cursor)
        found = await self._store.page(tenant_id, after=after, limit=limit + 1)
        limits = [*found[:limit]]
        return LimitPage(limits, limits[-1].key if len(found) > limit else None)
