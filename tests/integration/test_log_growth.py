"""What a long run costs on disk: bytes grow with its steps, and not with their square."""

import random
import string
from collections.abc import AsyncIterator
from typing import Final

import asyncpg
import pytest
from sqlalchemy import make_url

from agentkit import tool
from agentkit.messages import ToolMessage
from agentkit.testing import ScriptedLlm, call
from ops_core.log import EventType
from ops_core.store import Database
from ops_core.task import Status
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.integration

STEPS: Final = 200
OUTPUT_BYTES: Final = 5_000

#: Characters; a journal of more than 16 KiB is kept beside the log.
LARGE: Final = 60_000

_TABLES: Final = ("event", "blob", "task")


@tool(effect="pure")
async def page(number: int) -> str:
    """One page of a text that nothing can compress."""
    chance = random.Random(number)
    return "".join(chance.choices(string.ascii_letters + string.digits, k=OUTPUT_BYTES))


@tool(effect="pure", max_output=100_000)
async def book() -> str:
    """A text that is kept beside the log."""
    return "".join(random.Random(0).choices(string.ascii_letters, k=LARGE))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    plain = make_url(database_url).set(drivername="postgresql")
    connection = await asyncpg.connect(plain.render_as_string(hide_password=False))
    yield connection
    await connection.close()


async def on_disk(connection: asyncpg.Connection) -> int:
    """Everything that the tables take: rows, indexes, what is out of line, free room in their pages."""
    for table in _TABLES:
        await connection.execute(f"VACUUM {table}")
    sizes = " + ".join(f"pg_total_relation_size('{table}')" for table in _TABLES)
    return int(await connection.fetchval(f"SELECT {sizes}"))


async def test_a_run_of_200_steps_takes_at_most_three_times_the_bytes_of_its_outputs(
    database: Database, connection: asyncpg.Connection
) -> None:
    """In public data and in the journal, with its indexes; the last steps cost what the first ones do."""
    desk = AgentDesk(page, database=database)
    before = await on_disk(connection)
    task_id = await desk.submit("Read.", tools=["page"], max_steps=1000, max_tokens=10**9)
    await desk.run(*(call(("page", {"number": n})) for n in range(STEPS)), "Read.")
    assert Status.COMPLETED is (await desk.task(task_id)).status
    grown = await on_disk(connection) - before
    ratio = grown / (STEPS * OUTPUT_BYTES)
    assert ratio <= 3, f"{grown:,} bytes for {STEPS} outputs of {OUTPUT_BYTES:,}"
    sizes = await connection.fetch(
        """
        SELECT (data ->> 'step')::int AS step, sum(pg_column_size(data) + pg_column_size(journal)) AS bytes
        FROM event WHERE data ? 'step' GROUP BY 1
        """
    )
    by_step = {row["step"]: row["bytes"] for row in sizes}
    early = sum(by_step[step] for step in range(11, 31))
    late = sum(by_step[step] for step in range(181, 201))
    assert late <= early * 1.01


async def test_a_large_value_is_kept_once_beside_the_log_and_comes_back_whole(
    database: Database, connection: asyncpg.Connection
) -> None:
    """For a replay after a wait, which asks for it from the database, and for a fork."""
    desk = AgentDesk(book, database=database)
    task_id = await desk.submit("Read and ask.", tools=["book", "ask_user"])
    await desk.run(call(("book", {})), call(("ask_user", {"question": "Why?"})))
    assert Status.WAITING is (await desk.task(task_id)).status
    kept = await connection.fetch("SELECT task_id, value FROM blob")
    assert [task_id] == [row["task_id"] for row in kept]
    named = "SELECT max(length(journal::text)) FROM event WHERE journal ? 'blob'"
    assert 100 > await connection.fetchval(named)
    await desk.answer(task_id, "So.")
    llm = await desk.run("Because.")
    assert LARGE == len(tool_text(llm, "book"))
    fork_id = await desk.fork(task_id, await desk.seq_of(task_id, EventType.TOOL_COMPLETED))
    llm = await desk.run("Otherwise.")
    assert LARGE == len(tool_text(llm, "book"))
    kept = await connection.fetch("SELECT task_id FROM blob")
    assert {task_id, fork_id} == {row["task_id"] for row in kept}


def tool_text(llm: ScriptedLlm, name: str) -> str:
    """What the model read of a tool at its last call."""
    messages = [m for m in llm.requests[-1].messages if isinstance(m, ToolMessage)]
    return next(message.text for message in messages if message.tool == name)
