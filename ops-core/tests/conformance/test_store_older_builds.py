"""What processes of an older build leave behind, which know nothing of tables that came after them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from store_world import World

from ops_core.answers import decision
from ops_core.ask import AskKind, AskStatus, ask_id
from ops_core.log import EventType, NewEvent, rfc3339
from ops_core.moves import wait
from ops_core.ports import Append
from ops_core.store import Database
from ops_core.task import Reason, Task, Usage, Wait

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.parametrize("world", ["postgres"], indirect=True),
]

STEP = "1/tool/1/approval/1"


@pytest.fixture
async def older(database_url: str) -> AsyncIterator[Database]:
    """The database as an older build sees it: without what it does not know of."""
    database = Database(database_url, pool_size=1)
    yield database
    await database.close()


async def _run(older: Database, statement: str) -> None:
    async with older.begin() as connection:
        await connection.execute(text(statement))


async def _asked(world: World) -> Task:
    """A task that waits for an approval, for a minute."""
    task = await world.submit()
    claimed, lease = await world.claim_one()
    data = {"path": STEP, "step": 1, "question": "May it?", "tool": "pay", "arguments": {}}
    data["expires_at"] = rfc3339(task.created_at + timedelta(seconds=60))
    journal = {"v": 1, "path": STEP, "hash": "h"}
    event = NewEvent(type=EventType.APPROVAL_REQUESTED, data=data, journal=journal)
    await world.workers.append([Append(lease, [event], Usage())])
    await world.workers.settle(lease, wait([Wait(reason=Reason.APPROVAL, step=STEP)], task.signals))
    return claimed


#: What an older build does not write when it ends what was asked.
UNSEEN = """
    UPDATE ask SET status = 'pending', resolution = NULL, resolved_by = NULL, resolved_at = NULL,
                   request_hash = NULL
"""


@pytest.mark.parametrize(
    ("how", "status"), [("answered", AskStatus.APPROVED), ("ended", AskStatus.CANCELLED)]
)
async def test_what_an_older_build_has_ended_does_not_expire(
    world: World, older: Database, how: str, status: AskStatus
) -> None:
    """Nothing is added to the log of a task that ended or was answered; the list learns what became of it."""
    task = await _asked(world)
    if how == "answered":
        await world.tasks.signal("default", task.task_id, decision(STEP, "approve", None))
    else:
        await world.tasks.cancel("default", task.task_id)
    await _run(older, UNSEEN)
    before = await world.tasks.log("default", task.task_id)
    world.advance(61)
    await world.asks.expire_asks(10)
    assert before == await world.tasks.log("default", task.task_id)
    name = ask_id(AskKind.APPROVAL, task.task_id, STEP, 1)
    assert status is (await world.asks.get_ask("default", AskKind.APPROVAL, name)).status
    assert 0 == await world.asks.expire_asks(10)


async def test_what_a_deleted_task_asked_is_in_nobodys_way(world: World, older: Database) -> None:
    """An older build deletes old tasks without what they asked."""
    await _asked(world)
    await _run(older, "DELETE FROM task")
    world.advance(1)
    await _asked(world)
    world.advance(61)
    assert 1 == await world.asks.expire_asks(1)
