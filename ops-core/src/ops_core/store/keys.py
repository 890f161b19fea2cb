"""API keys in PostgreSQL. What changes one is told to the audit log in the same transaction."""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.errors import ApiKeyNotFound, ApiKeyRevoked, TenantNotFound
from ops_core.identity.audit import AuditEntry
from ops_core.identity.keys import EXPIRED, PAST, ApiKey, NewApiKey, refuse_expired
from ops_core.identity.ports import KeyPage
from ops_core.store.audit import record
from ops_core.store.cursor import next_cursor, read_cursor
from ops_core.store.database import Database
from ops_core.store.identity_rows import key_of, key_parameters
from ops_core.store.rows import Row

# A key of a tenant that there is. Index: primary key of tenant.
_INSERT: Final = text(
    """
    INSERT INTO api_key (
        tenant_id, key_id, name, scopes, secret_hash, requests_per_minute, burst,
        created_at, created_by, expires_at
    )
    SELECT tenant_id, :key_id, :name, CAST(:scopes AS text[]), CAST(:secret_hash AS bytea),
           CAST(:requests_per_minute AS integer), CAST(:burst AS integer),
           ops_now(), :created_by, CAST(:expires_at AS timestamptz)
    FROM tenant WHERE tenant_id = :tenant_id
    RETURNING *
    """
)

# The clock of the database decides.
_IS_OVER: Final = text("SELECT CAST(:expires_at AS timestamptz) <= ops_now()")

# Index: primary key.
_GET: Final = text("SELECT * FROM api_key WHERE tenant_id = :tenant_id AND key_id = :key_id")

# A page, newest first. Index: api_key_for_list.
_PAGE: Final = text(
    """
    SELECT * FROM api_key
    WHERE tenant_id = :tenant_id
      AND (CAST(:at AS timestamptz) IS NULL OR (created_at, key_id) < (:at, :key_id))
    ORDER BY created_at DESC, key_id DESC LIMIT :limit
    """
)

# The secret so far is good for a while, or from now on not at all; only the last one is. Index: primary key.
_ROTATE: Final = text(
    """
    UPDATE api_key SET
        secret_hash    = CAST(:secret_hash AS bytea),
        previous_hash  = CASE WHEN :grace_s > 0 THEN secret_hash END,
        previous_until = CASE WHEN :grace_s > 0 THEN ops_now() + :grace_s * interval '1 second' END
    WHERE tenant_id = :tenant_id AND key_id = :key_id AND revoked_at IS NULL
      AND (expires_at IS NULL OR expires_at > ops_now())
    RETURNING *
    """
)

# Index: primary key.
_REVOKE: Final = text(
    """
    UPDATE api_key SET revoked_at = COALESCE(revoked_at, ops_now())
    WHERE tenant_id = :tenant_id AND key_id = :key_id
    RETURNING *
    """
)


class SqlKeyStore:
    """`KeyStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, new: NewApiKey, entry: AuditEntry) -> ApiKey:
        async with self._database.begin_for(new.tenant_id) as connection:
            if await connection.scalar(_IS_OVER, {"expires_at": new.expires_at}):
                refuse_expired(PAST)
            row = await insert_key(connection, new)
            if row is None:
                raise TenantNotFound(new.tenant_id)
            await record(connection, entry)
        return key_of(row)

    async def get(self, tenant_id: str, key_id: str) -> ApiKey:
        async with self._database.begin_for(tenant_id) as connection:
            return key_of(await _get(connection, {"tenant_id": tenant_id, "key_id": key_id}))

    async def page(self, tenant_id: str, *, limit: int, cursor: str | None) -> KeyPage:
        at, key_id = read_cursor(cursor) if cursor is not None else (None, None)
        asked = {"tenant_id": tenant_id, "at": at, "key_id": key_id, "limit": limit + 1}
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(_PAGE, asked)).all()
        return KeyPage(
            [key_of(row) for row in rows[:limit]],
            next_cursor(rows, limit, lambda last: (last.created_at, last.key_id)),
        )

    async def rotate(
        self, tenant_id: str, key_id: str, secret_hash: bytes, grace_s: float, entry: AuditEntry
    ) -> ApiKey:
        key = {"tenant_id": tenant_id, "key_id": key_id}
        async with self._database.begin_for(tenant_id) as connection:
            rotated = key | {"secret_hash": secret_hash, "grace_s": grace_s}
            row = (await connection.execute(_ROTATE, rotated)).one_or_none()
            if row is None:
                if (await _get(connection, key)).revoked_at is None:
                    refuse_expired(EXPIRED)
                raise ApiKeyRevoked(key_id)
            await record(connection, entry)
        return key_of(row)

    async def revoke(self, tenant_id: str, key_id: str, entry: AuditEntry) -> ApiKey:
        key = {"tenant_id": tenant_id, "key_id": key_id}
        async with self._database.begin_for(tenant_id) as connection:
            row = (await connection.execute(_REVOKE, key)).one_or_none()
            if row is None:
                raise ApiKeyNotFound(key_id)
            await record(connection, entry)
        return key_of(row)


async def insert_key(connection: AsyncConnection, new: NewApiKey) -> Row | None:
    """None when there is no such tenant."""
    return (await connection.execute(_INSERT, key_parameters(new))).one_or_none()


async def _get(connection: AsyncConnection, key: dict[str, Any]) -> Row:
    row = (await connection.execute(_GET, key)).one_or_none()
    if row is None:
        raise ApiKeyNotFound(key["key_id"])
    return row
