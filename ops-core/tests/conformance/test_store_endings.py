"""Ends that are committed together: in every store the same as if each had been settled by itself."""

from dataclasses import replace

import pytest
from store_world import World

from ops_core.ask import AskKind, AskStatus, ask_id
from ops_core.log import EventType, NewEvent
from ops_core.moves import Move, cancel, complete, fail, release
from ops_core.ports import Append, Ending, Lease
from ops_core.task import Reason, Status, Task, TaskError, Usage

pytestmark = pytest.mark.conformance

ERROR = TaskError(type="x", message="No.")


async def running(world: World, **fields: object) -> Lease:
    """A task that has asked a client's cancel meanwhile, so that there is something to take back."""
    await world.submit(**fields)  # type: ignore[arg-type]
    _, lease = await world.claim_one()
    await world.tasks.cancel("default", lease.task_id)
    return lease


def unlike(task: Task) -> dict[str, object]:
    """What two tasks of one life cannot have in common."""
    return {"task_id": task.task_id, "completed_at": task.completed_at} | {
        name: getattr(task, name) for name in ("created_at", "updated_at", "started_at")
    }


@pytest.mark.parametrize(
    "move",
    [
        complete({"output": 1}),
        fail(ERROR),
        fail(ERROR, dead_letter=True),
        fail(ERROR, Reason.BUDGET_EXHAUSTED, partial={"output": "half"}),
        cancel("told so"),
    ],
    ids=["completed", "failed", "dead letter", "cut short", "cancelled"],
)
async def test_an_end_among_others_is_the_end_alone(world: World, move: Move) -> None:
    """The task and its log are the same, whichever way it was ended."""
    alone, among = await running(world), await running(world)
    expected = await world.workers.settle(alone, move)
    assert [True] == await world.workers.end_together([Ending(among, move)])
    ended = await world.tasks.get("default", among.task_id)
    dead_letter_at = expected.dead_letter_at and ended.dead_letter_at
    assert replace(expected, dead_letter_at=dead_letter_at, **unlike(ended)) == ended  # type: ignore[arg-type]
    logs = [await world.tasks.log("default", lease.task_id) for lease in (alone, among)]
    said = [[(e.seq, e.type, e.data) for e in log] for log in logs]
    assert said[0] == said[1]


async def test_what_there_was_is_kept_until_a_retry(world: World) -> None:
    """Whoever opens the task again begins without it; the log has it."""
    lease = await running(world)
    move = fail(ERROR, Reason.BUDGET_EXHAUSTED, partial={"output": "half"})
    assert [True] == await world.workers.end_together([Ending(lease, move)])
    ended = await world.tasks.get("default", lease.task_id)
    assert (Status.FAILED, {"output": "half"}) == (ended.status, ended.result)
    again = await world.tasks.retry("default", lease.task_id)
    assert (Status.PENDING, None) == (again.status, again.result)
    log = await world.tasks.log("default", lease.task_id)
    assert {"output": "half"} == next(
        event.data["result"] for event in log if event.type == EventType.TASK_FAILED
    )


async def test_each_of_many_has_its_own_end(world: World) -> None:
    """One statement ends them in different ways."""
    leases = [await running(world) for _ in range(3)]
    moves = [complete({"n": 1}), fail(ERROR, Reason.REJECTED), cancel()]
    batch = [Ending(lease, move) for lease, move in zip(leases, moves, strict=True)]
    assert [True] * 3 == await world.workers.end_together(batch)
    tasks = [await world.tasks.get("default", lease.task_id) for lease in leases]
    assert [Status.COMPLETED, Status.FAILED, Status.CANCELLED] == [task.status for task in tasks]
    assert [{"n": 1}, None, None] == [task.result for task in tasks]
    assert [None, Reason.REJECTED, None] == [task.reason for task in tasks]


async def test_a_zombie_is_told_and_the_others_end(world: World) -> None:
    """An end under an old epoch changes nothing, and holds nobody up."""
    await world.submit()
    _, old = await world.claim_one()
    await world.workers.settle(old, release("drained"))
    _, new = await world.claim_one()
    good = await running(world)
    batch = [Ending(lease, complete({})) for lease in (old, good)]
    assert [False, True] == await world.workers.end_together(batch)
    assert Status.RUNNING == (await world.tasks.get("default", new.task_id)).status
    assert [False, False] == await world.workers.end_together(batch)


async def test_who_depends_on_an_end_among_others_is_told(world: World) -> None:
    """It is in the outbox like every end."""
    await world.submit()
    _, lease = await world.claim_one()
    dependent = await world.submit(depends_on=(lease.task_id,))
    await world.workers.end_together([Ending(lease, complete({}))])
    await world.upkeep.tell_ends(10)
    assert [dependent.task_id] == [task.task_id for task in await world.claim()]


async def test_an_end_among_others_closes_what_its_task_asked(world: World) -> None:
    """Nobody is asked any more for a task that is over."""
    await world.submit()
    _, lease = await world.claim_one()
    data = {"path": "1/input/1", "step": 1, "question": "Who?"}
    asked = NewEvent(
        type=EventType.INPUT_REQUESTED, data=data, journal={"v": 1, "path": "1/input/1"}
    )
    await world.workers.append([Append(lease, [asked], Usage())])
    await world.workers.end_together([Ending(lease, complete({}))])
    ask = await world.asks.get_ask(
        "default", AskKind.INPUT, ask_id(AskKind.INPUT, lease.task_id, "1/input/1", 1)
    )
    assert AskStatus.CANCELLED == ask.status
