"""Tenants in PostgreSQL: for the operator, and therefore across tenants."""

from typing import Final

from sqlalchemy import TextClause, text

from ops_core.errors import TenantExists, TenantNotFound
from ops_core.identity.audit import AuditEntry
from ops_core.identity.keys import NewApiKey
from ops_core.identity.ports import TenantPage
from ops_core.identity.tenants import Tenant
from ops_core.store.audit import record
from ops_core.store.cursor import next_cursor, read_cursor
from ops_core.store.database import Database
from ops_core.store.identity_rows import tenant_of
from ops_core.store.keys import insert_key

# A tenant, or nothing when its id is taken. Index: primary key.
_INSERT: Final = text(
    """
    INSERT INTO tenant (tenant_id, name, created_at) VALUES (:tenant_id, :name, ops_now())
    ON CONFLICT (tenant_id) DO NOTHING
    RETURNING *
    """
)

# A page, newest first. A server has few tenants: read in whole and sorted.
_PAGE: Final = text(
    """
    SELECT * FROM tenant
    WHERE CAST(:at AS timestamptz) IS NULL OR (created_at, tenant_id) < (:at, :tenant_id)
    ORDER BY created_at DESC, tenant_id DESC LIMIT :limit
    """
)

# Index: primary key.
_DISABLE: Final = text(
    """
    UPDATE tenant SET disabled_at = COALESCE(disabled_at, ops_now()) WHERE tenant_id = :tenant_id
    RETURNING *
    """
)

# Index: primary key.
_ENABLE: Final = text(
    "UPDATE tenant SET disabled_at = NULL WHERE tenant_id = :tenant_id RETURNING *"
)

# Index: primary key.
_GET: Final = text("SELECT * FROM tenant WHERE tenant_id = :tenant_id")

# Index: primary key.
_LIMIT: Final = text(
    "UPDATE tenant SET max_unfinished = :max_unfinished WHERE tenant_id = :tenant_id RETURNING *"
)


class SqlTenantStore:
    """`TenantStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, tenant_id: str, name: str, first: NewApiKey, entry: AuditEntry
    ) -> Tenant:
        async with self._database.begin() as connection:
            new = {"tenant_id": tenant_id, "name": name}
            row = (await connection.execute(_INSERT, new)).one_or_none()
            if row is None:
                raise TenantExists(tenant_id)
            await insert_key(connection, first)
            await record(connection, entry)
        return tenant_of(row)

    async def page(self, *, limit: int, cursor: str | None) -> TenantPage:
        at, tenant_id = read_cursor(cursor) if cursor is not None else (None, None)
        asked = {"at": at, "tenant_id": tenant_id, "limit": limit + 1}
        async with self._database.begin() as connection:
            rows = (await connection.execute(_PAGE, asked)).all()
        return TenantPage(
            [tenant_of(row) for row in rows[:limit]],
            next_cursor(rows, limit, lambda last: (last.created_at, last.tenant_id)),
        )

    async def disable(self, tenant_id: str, entry: AuditEntry) -> Tenant:
        return await self._change(_DISABLE, tenant_id, entry)

    async def enable(self, tenant_id: str, entry: AuditEntry) -> Tenant:
        return await self._change(_ENABLE, tenant_id, entry)

    async def get(self, tenant_id: str) -> Tenant:
        async with self._database.begin() as connection:
            row = (await connection.execute(_GET, {"tenant_id": tenant_id})).one_or_none()
        if row is None:
            raise TenantNotFound(tenant_id)
        return tenant_of(row)

    async def limit(self, tenant_id: str, max_unfinished: int | None, entry: AuditEntry) -> Tenant:
        return await self._change(_LIMIT, tenant_id, entry, max_unfinished=max_unfinished)

    async def _change(
        self, change: TextClause, tenant_id: str, entry: AuditEntry, **to: int | None
    ) -> Tenant:
        asked = {"tenant_id": tenant_id, **to}
        async with self._database.begin() as connection:
            row = (await connection.execute(change, asked)).one_or_none()
            if row is None:
                raise TenantNotFound(tenant_id)
            await record(connection, entry)
        return tenant_of(row)
