"""What a door asks before it knows the tenant: these statements, and no others of a door, see all of them."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import text

from ops_core.identity.keys import Credential
from ops_core.identity.ports import KeyPlace
from ops_core.store.database import Database
from ops_core.store.identity_rows import credential_of

# A key by its id, with the hashes of the secrets that are good now, and why it opens nothing, if so.
# Index: api_key_for_authentication, then the primary key of tenant.
_CREDENTIAL: Final = text(
    """
    SELECT k.tenant_id, k.key_id, k.scopes, k.requests_per_minute, k.burst,
           ARRAY[k.secret_hash, CASE WHEN k.previous_until > ops_now() THEN k.previous_hash END] AS hashes,
           CASE WHEN k.revoked_at IS NOT NULL THEN 'was revoked'
                WHEN k.expires_at <= ops_now() THEN 'has expired'
                WHEN t.disabled_at IS NOT NULL THEN 'belongs to a tenant that is disabled' END AS refusal
    FROM api_key k JOIN tenant t USING (tenant_id)
    WHERE k.key_id = :key_id
    """
)

# Index: primary key.
_IS_OPEN: Final = text(
    "SELECT EXISTS (SELECT FROM tenant WHERE tenant_id = :tenant_id AND disabled_at IS NULL)"
)

# When keys were last used, all of them at once, and never back in time; keys that another door is noting just
# now are passed over (it knows as well). Index: primary key.
_NOTE_USES: Final = text(
    """
    WITH used AS (
        SELECT k.tenant_id, k.key_id, ops_now() - u.ago_s * interval '1 second' AS at
        FROM unnest(CAST(:tenant_ids AS text[]), CAST(:key_ids AS text[]), CAST(:ago_s AS float8[]))
                 AS u (tenant_id, key_id, ago_s)
        JOIN api_key k ON k.tenant_id = u.tenant_id AND k.key_id = u.key_id
        FOR NO KEY UPDATE OF k SKIP LOCKED
    )
    UPDATE api_key SET last_used_at = GREATEST(api_key.last_used_at, used.at)
    FROM used WHERE api_key.tenant_id = used.tenant_id AND api_key.key_id = used.key_id
    """
)

# Whether anybody can come in at all. A server has few keys: read in whole.
_HAS_KEYS: Final = text(
    """
    SELECT EXISTS (SELECT FROM api_key
                   WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ops_now()))
    """
)


class SqlCredentialStore:
    """`CredentialStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def credential(self, key_id: str) -> Credential | None:
        async with self._database.begin() as connection:
            row = (await connection.execute(_CREDENTIAL, {"key_id": key_id})).one_or_none()
        return credential_of(row) if row is not None else None

    async def is_open(self, tenant_id: str) -> bool:
        async with self._database.begin() as connection:
            return bool(await connection.scalar(_IS_OPEN, {"tenant_id": tenant_id}))

    async def note_uses(self, uses: Mapping[KeyPlace, float]) -> None:
        noted = {
            "tenant_ids": [place.tenant_id for place in uses],
            "key_ids": [place.key_id for place in uses],
            "ago_s": list(uses.values()),
        }
        async with self._database.begin() as connection:
            await connection.execute(_NOTE_USES, noted)

    async def has_keys(self) -> bool:
        async with self._database.begin() as connection:
            return bool(await connection.scalar(_HAS_KEYS))
