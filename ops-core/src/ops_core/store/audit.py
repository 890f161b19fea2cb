"""The audit log: written and read; the role of the doors may change nothing in it."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.identity.audit import AuditEntry, new_audit_id
from ops_core.identity.ports import AuditFilter, AuditPage
from ops_core.store.cursor import next_cursor, read_cursor
from ops_core.store.database import Database
from ops_core.store.identity_rows import record_of

# Index: primary key.
_WRITE: Final = text(
    """
    INSERT INTO audit (tenant_id, audit_id, at, subject, action, object, outcome, reason, request_id)
    VALUES (:tenant_id, :audit_id, ops_now(), :subject, :action, :object, :outcome, :reason, :request_id)
    """
)

# A page, newest first; a filter that is NULL does not filter. Index: audit_for_list.
_PAGE: Final = text(
    """
    SELECT * FROM audit
    WHERE tenant_id = :tenant_id
      AND (CAST(:at AS timestamptz) IS NULL OR (at, audit_id) < (:at, :audit_id))
      AND (CAST(:subject AS text) IS NULL OR subject = :subject)
      AND (CAST(:action AS text) IS NULL OR action = :action)
      AND (CAST(:object AS text) IS NULL OR object = :object)
    ORDER BY at DESC, audit_id DESC LIMIT :limit
    """
)


# The oldest lines that are older than they are kept, whosever they are. Index: audit_for_retention.
_PRUNE: Final = text(
    """
    DELETE FROM audit WHERE (tenant_id, audit_id) IN (
        SELECT tenant_id, audit_id FROM audit
        WHERE at < ops_now() - :older_than_s * interval '1 second'
        ORDER BY at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    """
)


class SqlAuditStore:
    """`AuditStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, entry: AuditEntry) -> None:
        async with self._database.begin_for(entry.tenant_id) as connection:
            await record(connection, entry)

    async def page(
        self, tenant_id: str, where: AuditFilter, *, limit: int, cursor: str | None
    ) -> AuditPage:
        at, audit_id = read_cursor(cursor) if cursor is not None else (None, None)
        asked = {
            "tenant_id": tenant_id,
            "at": at,
            "audit_id": audit_id,
            "subject": where.subject,
            "action": where.action,
            "object": where.object,
            "limit": limit + 1,
        }
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(_PAGE, asked)).all()
        return AuditPage(
            [record_of(row) for row in rows[:limit]],
            next_cursor(rows, limit, lambda last: (last.at, last.audit_id)),
        )

    async def prune(self, older_than_s: float, limit: int) -> int:
        async with self._database.begin() as connection:
            pruned = {"older_than_s": older_than_s, "limit": limit}
            return (await connection.execute(_PRUNE, pruned)).rowcount


async def record(connection: AsyncConnection, entry: AuditEntry) -> None:
    """Writes a line in the transaction of what it tells of."""
    written = {
        "tenant_id": entry.tenant_id,
        "audit_id": new_audit_id(),
        "subject": entry.subject,
        "action": entry.action,
        "object": entry.object,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "request_id": entry.request_id,
    }
    await connection.execute(_WRITE, written)
