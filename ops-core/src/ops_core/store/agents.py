"""Agents on PostgreSQL: rows of versions are only ever added."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ops_core.agents.port import AgentPage, AgentVersion, NewVersion
from ops_core.agents.reference import AgentRef
from ops_core.errors import AgentExists, AgentNotFound
from ops_core.store.cursor import next_cursor, place_of
from ops_core.store.database import Database
from ops_core.store.moves import statement
from ops_core.store.rows import Row
from ops_core.task import JsonObject

# An agent's row, made if there is none, and locked: its versions are numbered one after another.
# Index: primary key.
_LOCK: Final = text(
    """
    INSERT INTO agent (tenant_id, name, version, digest, created_at)
    VALUES (:tenant_id, :name, 0, '', ops_now())
    ON CONFLICT (tenant_id, name) DO UPDATE SET version = agent.version
    RETURNING *
    """
)

# The next version, which puts its agent back into use. Index: primary keys.
_ADD: Final = statement(
    """
    WITH next AS (
        UPDATE agent SET version = version + 1, digest = :digest, archived_at = NULL
        WHERE tenant_id = :tenant_id AND name = :name
        RETURNING *
    )
    INSERT INTO agent_version (tenant_id, name, version, definition, created_at, created_by)
    SELECT tenant_id, name, version, :definition, ops_now(), :created_by FROM next
    RETURNING *, NULL::timestamptz AS archived_at
    """,
    "definition",
)

# Versions by their names and numbers; 0 stands for the newest one. Indexes: primary keys.
_FIND: Final = text(
    """
    SELECT asked.place, v.*, a.archived_at
    FROM unnest(CAST(:names AS text[]), CAST(:versions AS int[])) WITH ORDINALITY
         AS asked (name, version, place)
    JOIN agent a ON a.tenant_id = :tenant_id AND a.name = asked.name
    JOIN agent_version v ON v.tenant_id = a.tenant_id AND v.name = a.name
                        AND v.version = COALESCE(NULLIF(asked.version, 0), a.version)
    """
)

# A page of agents, those that were made last first. Indexes: agent_for_list, primary key of agent_version.
_PAGE: Final = text(
    """
    SELECT v.*, a.archived_at, a.created_at AS made_at
    FROM agent a
    JOIN agent_version v ON v.tenant_id = a.tenant_id AND v.name = a.name AND v.version = a.version
    WHERE a.tenant_id = :tenant_id AND (a.archived_at IS NOT NULL) = :archived
      AND (CAST(:created_at AS timestamptz) IS NULL OR (a.created_at, a.name) < (:created_at, :last_id))
    ORDER BY a.created_at DESC, a.name DESC LIMIT :limit
    """
)

# A page of the versions of one agent. Indexes: primary keys.
_VERSIONS: Final = text(
    """
    SELECT v.*, a.archived_at
    FROM agent_version v
    JOIN agent a ON a.tenant_id = v.tenant_id AND a.name = v.name
    WHERE v.tenant_id = :tenant_id AND v.name = :name
      AND (CAST(:before AS int) IS NULL OR v.version < :before)
    ORDER BY v.version DESC LIMIT :limit
    """
)

# Index: primary key.
_ARCHIVE: Final = text(
    """
    UPDATE agent SET archived_at = COALESCE(archived_at, ops_now())
    WHERE tenant_id = :tenant_id AND name = :name
    """
)


class SqlAgentStore:
    """`AgentStore` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, new: NewVersion, *, only_first: bool = False) -> tuple[AgentVersion, bool]:
        key = {"tenant_id": new.tenant_id, "name": new.name}
        async with self._database.begin_for(new.tenant_id) as connection:
            agent = (await connection.execute(_LOCK, key)).one()
            if agent.digest == new.digest and agent.archived_at is None:
                return (await _found(connection, new.tenant_id, [AgentRef(new.name)]))[0], False
            if only_first and agent.version:
                raise AgentExists(new.name)
            values = {
                "digest": new.digest,
                "definition": new.definition,
                "created_by": new.created_by,
            }
            row = (await connection.execute(_ADD, key | values)).one()
        return _version_of(row), True

    async def get(self, tenant_id: str, ref: AgentRef) -> AgentVersion:
        async with self._database.begin_for(tenant_id) as connection:
            found = await _found(connection, tenant_id, [ref])
        if 0 not in found:
            raise AgentNotFound(str(ref))
        return found[0]

    async def find(self, tenant_id: str, refs: Sequence[AgentRef]) -> dict[AgentRef, AgentVersion]:
        async with self._database.begin_for(tenant_id) as connection:
            found = await _found(connection, tenant_id, refs)
        return {
            refs[place]: agent
            for place, agent in found.items()
            if refs[place].version is not None or agent.archived_at is None
        }

    async def page(
        self, tenant_id: str, *, archived: bool, limit: int, cursor: str | None
    ) -> AgentPage:
        asked = {"tenant_id": tenant_id, "archived": archived, "limit": limit + 1}
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(_PAGE, asked | place_of(cursor))).all()
        return AgentPage(
            [_version_of(row) for row in rows[:limit]],
            next_cursor(rows, limit, lambda last: (last.made_at, last.name)),
        )

    async def versions(
        self, tenant_id: str, name: str, *, limit: int, cursor: str | None
    ) -> AgentPage:
        last_id = str(place_of(cursor)["last_id"])
        before = int(last_id) if last_id.isdecimal() and len(last_id) < 10 else None
        asked = {"tenant_id": tenant_id, "name": name, "limit": limit + 1, "before": before}
        async with self._database.begin_for(tenant_id) as connection:
            rows = (await connection.execute(_VERSIONS, asked)).all()
            if not rows and 0 not in await _found(connection, tenant_id, [AgentRef(name)]):
                raise AgentNotFound(name)
        return AgentPage(
            [_version_of(row) for row in rows[:limit]],
            next_cursor(rows, limit, lambda last: (last.created_at, str(last.version))),
        )

    async def archive(self, tenant_id: str, name: str) -> AgentVersion:
        key = {"tenant_id": tenant_id, "name": name}
        async with self._database.begin_for(tenant_id) as connection:
            await connection.execute(_ARCHIVE, key)
            found = await _found(connection, tenant_id, [AgentRef(name)])
        if 0 not in found:
            raise AgentNotFound(name)
        return found[0]


async def definitions(
    connection: AsyncConnection, tenant_id: str, versions: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], JsonObject]:
    """The definitions of these versions of agents."""
    found = await _found(connection, tenant_id, [AgentRef(*version) for version in versions])
    return {(agent.name, agent.version): agent.definition for agent in found.values()}


async def _found(
    connection: AsyncConnection, tenant_id: str, refs: Iterable[AgentRef]
) -> dict[int, AgentVersion]:
    """What there is of the references, by their places among them."""
    named = list(refs)
    asked: dict[str, Any] = {
        "tenant_id": tenant_id,
        "names": [ref.name for ref in named],
        "versions": [ref.version or 0 for ref in named],
    }
    rows = (await connection.execute(_FIND, asked)).all()
    return {row.place - 1: _version_of(row) for row in rows}


def _version_of(row: Row) -> AgentVersion:
    return AgentVersion(
        tenant_id=row.tenant_id,
        name=row.name,
        version=row.version,
        definition=row.definition,
        created_at=row.created_at,
        created_by=row.created_by,
        archived_at=row.archived_at,
    )
