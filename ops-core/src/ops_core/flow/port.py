"""What the service of flow control asks of a store."""

from collections.abc import Sequence
from typing import Protocol

from ops_core.flow.key_limit import KeyLimit


class LimitStore(Protocol):
    """The limits of a tenant's concurrency keys. Raises `StoreUnavailable`."""

    async def put(self, tenant_id: str, limit: KeyLimit, *, at_most: int) -> bool:
        """Stores the limit in place of the one its key had, with a full bucket.

        False, and nothing stored, when the tenant has `at_most` others.
        """
        ...

    async def get(self, tenant_id: str, key: str) -> KeyLimit | None: ...

    async def delete(self, tenant_id: str, key: str) -> bool:
        """Whether there was one."""
        ...

    async def page(self, tenant_id: str, *, after: str, limit: int) -> Sequence[KeyLimit]:
        """Those whose key is greater, by key."""
        ...
