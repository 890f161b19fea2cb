"""Functions of the database that run with the rights of its owner."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

pytestmark = pytest.mark.integration


def asked(url: str, statement: str, *, first: Sequence[str] = ()) -> list[Any]:
    """What the statement gives, in a session in which the others were run before."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    async def main() -> list[Any]:
        connection = await asyncpg.connect(plain)
        try:
            for each in first:
                await connection.execute(each)
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(main())


def test_each_looks_in_its_own_schema_alone_and_is_for_nobody_else(database_url: str) -> None:
    """One that is added later has to say the same; the doors may ask whether there is room."""
    found = asked(
        database_url,
        """
        SELECT proname, proconfig, has_function_privilege('opspawn_api', p.oid, 'EXECUTE'),
               proacl::text LIKE '%{=X%' OR proacl::text LIKE '%,=X%' OR proacl IS NULL AS for_everybody
        FROM pg_proc AS p WHERE prosecdef AND proname LIKE 'ops%' ORDER BY proname
        """,
    )
    path = ["search_path=pg_catalog, public, pg_temp"]
    asked_by_doors = {"ops_refusal", "ops_room"}
    others = {"ops_backlog", "ops_count_stored", "ops_count_task", "ops_unfinished"}
    names = sorted(asked_by_doors | others)
    assert [(name, path, name in asked_by_doors, False) for name in names] == found


def test_a_temporary_table_of_a_caller_is_not_looked_into(database_url: str) -> None:
    """Whoever makes a tenant_load of his own is not asked about that one."""
    mine = "CREATE TEMPORARY TABLE tenant_load AS SELECT 'default' AS tenant_id, 0::bigint AS unfinished"
    theirs = "INSERT INTO public.tenant_load VALUES ('default', 5)"
    found = asked(database_url, "SELECT ops_unfinished('default')", first=(theirs, mine))
    assert [(5,)] == found
