"""What the database holds at the end."""

import asyncio
import json
from typing import Any

import asyncpg


def read(url: str) -> tuple[list[Any], list[Any]]:
    """All tasks and all events."""
    return asyncio.run(_read(url))


async def _read(url: str) -> tuple[list[Any], list[Any]]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.set_type_codec(
            "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
        return (
            [dict(row) for row in await connection.fetch("SELECT * FROM task")],
            [dict(row) for row in await connection.fetch("SELECT * FROM event")],
        )
    finally:
        await connection.close()
