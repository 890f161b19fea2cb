"""Whether tenants are kept apart in this database: the role of the doors, and row-level security."""

from typing import Final

from sqlalchemy import text

from ops_core.errors import StoreUnavailable
from ops_core.store.database import Database

# Whether the role of the doors exists, and whether we may take it: from version 16 on, being a member of a
# role and being allowed to take it are two things.
_ROLE: Final = text(
    """
    SELECT current_user AS me,
           (SELECT pg_has_role(oid, CASE WHEN current_setting('server_version_num')::int >= 160000
                                         THEN 'SET' ELSE 'MEMBER' END)
            FROM pg_roles WHERE rolname = 'opspawn_api') AS may_take
    """
)

# Tables with tenants' rows that row-level security does not guard.
_BARE: Final = text(
    """
    SELECT c.relname
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT (c.relrowsecurity AND EXISTS (
          SELECT FROM pg_policy p
          WHERE p.polrelid = c.oid AND 'opspawn_api'::regrole = ANY (p.polroles)))
    ORDER BY c.relname
    """
)


async def check_isolation(database: Database) -> None:
    """Raises `StoreUnavailable` with the remedy when a door could not act for one tenant alone."""
    async with database.begin() as connection:
        role = (await connection.execute(_ROLE)).one()
        if role.may_take is None:
            raise StoreUnavailable(
                "this server has no role opspawn_api, under which the doors keep tenants apart; "
                "as a superuser run CREATE ROLE opspawn_api NOLOGIN; and grant it again"
            )
        if not role.may_take:
            raise StoreUnavailable(
                "the doors may not take the role opspawn_api, under which they keep tenants apart; "
                f'as a superuser run GRANT opspawn_api TO "{role.me}"'
            )
        bare = (await connection.execute(_BARE)).scalars().all()
    if bare:
        raise StoreUnavailable(
            f"row-level security is off for {', '.join(bare)}; run SELECT ops_isolate('…') for each"
        )
