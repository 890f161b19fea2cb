"""The limits of concurrency keys in PostgreSQL."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text

from ops_core.flow.key_limit import KeyLimit, Rate
from ops_core.store.database import Database
from ops_core.store.rows import Row

# Sets the limit of a key, with a full bucket; nothing when it would be one limit too many. Two that come at
# once may both be the last one. Index: primary key.
_PUT: Final = text(
    """
    INSERT INTO key_limit
        (tenant_id, key, concurrency, rate_count, rate_per_s, tokens, refilled_at)
    SELECT :tenant_id, :key, :concurrency, CAST(:rate_count AS int), CAST(:rate_per_s AS float8),
           COALESCE(CAST(:rate_count AS int), 0), ops_now()
    WHERE (SELECT count(*) FROM key_limit WHERE tenant_id = :tenant_id AND key <> :key) < :at_most
    ON CONFLICT (tenant_id, key) DO UPDATE SET
        concurrency = EXCLUDED.concurrency, rate_count = EXCLUDED.rate_count,
        rate_per_s = EXCLUDED.rate_per_s, tokens = EXCLUDED.tokens,
        refilled_at = EXCLUDED.refilled_at
    RETURNING key
    """
)

# Index: primary key.
_GET: Final = text("SELECT * FROM key_limit WHERE tenant_id = :tenant_id AND key = :key")
_DELETE: Final = text(
    "DELETE FROM key_limit WHERE tenant_id = :tenant_id AND key = :key RETURNING key"
)
_PAGE: Final = text(
    """
    SELECT * FROM key_limit WHERE tenant_id = :tenant_id AND key > :after COLLATE "C"
    ORDER BY key COLLATE "C" LIMIT :limit
    """
)


class SqlLimitStore:
    """`LimitStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, tenant_id: str, limit: KeyLimit, *, at_most: int) -> bool:
        row: dict[str, Any] = {
            "tenant_id": tenant_id,
            "key": limit.key,
            "concurrency": limit.concurrency,
            "rate_count": limit.rate.count if limit.rate else None,
            "rate_per_s": limit.rate.per_s if limit.rate else None,
            "at_most": at_most,
        }
        async with self._database.begin_for(tenant_id) as connection:
            return (await connection.execute(_PUT, row)).one_or_none() is not None

    async def get(self, tenant_id: str, key: str) -> KeyLimit | None:
        async with self._database.begin_for(tenant_id) as connection:
            found = await connection.execute(_GET, {"tenant_id": tenant_id, "key": key})
            row = found.one_or_none()
        return None if row is None else _limit(row)

    async def delete(self, tenant_id: str, key: str) -> bool:
        async with self._database.begin_for(tenant_id) as connection:
            gone = await connection.execute(_DELETE, {"tenant_id": tenant_id, "key": key})
            return gone.one_or_none() is not None

    async def page(self, tenant_id: str, *, after: str, limit: int) -> Sequence[KeyLimit]:
        asked = {"tenant_id": tenant_id, "after": after, "limit": limit}
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(_PAGE, asked)).all()
        return [_limit(row) for row in rows]


def _limit(row: Row) -> KeyLimit:
    rate = None if row.rate_count is None else Rate(count=row.rate_count, per_s=row.rate_per_s)
    return KeyLimit(key=row.key, concurrency=row.concurrency, rate=rate)
