"""Folds the changes of how much is under way into one sum a tenant."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Some of the changes, added up. Several dispatchers take different ones. Index: primary keys.
_FOLD: Final = text(
    """
    WITH picked AS (
        SELECT tenant_id, change_id FROM load_change LIMIT :limit FOR UPDATE SKIP LOCKED
    ), taken AS (
        DELETE FROM load_change c USING picked p
        WHERE c.tenant_id = p.tenant_id AND c.change_id = p.change_id
        RETURNING c.tenant_id, c.change
    )
    INSERT INTO tenant_load AS l (tenant_id, unfinished)
    SELECT tenant_id, sum(change) FROM taken GROUP BY tenant_id ORDER BY tenant_id
    ON CONFLICT (tenant_id) DO UPDATE SET unfinished = l.unfinished + EXCLUDED.unfinished
    """
)

# More than these make a sum slow enough to notice (0.1 ms); fewer are not worth a commit.
WORTH_IT: Final = 200

# Whether there are so many. Index: primary key.
_MANY: Final = text(
    "SELECT count(*) = :worth_it FROM (SELECT FROM load_change LIMIT :worth_it) AS c"
)


async def fold(connection: AsyncConnection, limit: int) -> int:
    """Returns how many changes were folded, as far as that tells that there may be more."""
    if not await connection.scalar(_MANY, {"worth_it": WORTH_IT}):
        return 0
    await connection.execute(_FOLD, {"limit": limit})
    return WORTH_IT
