"""Following a task: how it ends, and how long it waits for a server that went away."""

from collections.abc import AsyncIterator, Iterator

import pytest

from ops_core.log import EventType, NewEvent
from ops_core.moves import Move, complete
from ops_core.task import Reason, Status
from opspawn.cli.client import ApiClient, Event
from opspawn.cli.exits import Refused, Unreachable
from opspawn.cli.follow import Follower, Found, Lost, Seen
from opspawn.client import calls
from support.rest_door import RestDoor, rest_door


@pytest.fixture
def door() -> Iterator[RestDoor]:
    with rest_door() as door:
        yield door


async def submitted(api: ApiClient) -> str:
    body = {"task_type": "agent_run", "input_data": {"goal": "g"}}
    return str((await api.ask(calls.submit(body, "k")))["task_id"])


async def _all(events: AsyncIterator[Seen]) -> list[Seen]:
    return [event async for event in events]


async def test_every_event_comes_once_and_in_order(door: RestDoor) -> None:
    """Over several pages, from the first to the last."""
    async with ApiClient(door.url) as api:
        task_id = await submitted(api)
        task = door.claim()
        for _ in range(450):
            door.append(task, NewEvent(type=EventType.LLM_COMPLETED, data={"step": 1}))
        door.settle(task, complete({"output": "x"}))
        follower = Follower(api, task_id)
        seen = [event.seq async for event in follower.events() if isinstance(event, Event)]
    assert list(range(1, 454)) == seen
    assert "completed" == follower.task["status"]


async def test_a_server_that_comes_and_goes_costs_no_event(door: RestDoor) -> None:
    """The follower goes on after the last event that it has, and says when it had to wait."""
    async with ApiClient(door.url) as api:
        task_id = await submitted(api)
        task = door.claim()
        seen: list[Seen] = []
        async for one in Follower(api, task_id).events():
            seen.append(one)
            if len(seen) == 2:  # all that there are
                door.close()
                door.append(task, NewEvent(type=EventType.LLM_COMPLETED, data={"step": 1}))
            elif isinstance(one, Lost) and len(seen) == 3:
                door.open()
                door.settle(task, complete({"output": "x"}))
    assert [1, 2, 3, 4] == [one.seq for one in seen if isinstance(one, Event)]
    assert {Lost, Found} == {type(one) for one in seen if not isinstance(one, Event)}


async def test_a_task_that_ends_while_the_server_stops_is_shown_to_its_end(
    door: RestDoor,
) -> None:
    """The stream broke off before the last event: that the task has ended is not enough."""
    async with ApiClient(door.url) as api:
        task_id = await submitted(api)
        task = door.claim()
        seen: list[Seen] = []
        async for one in Follower(api, task_id).events():
            seen.append(one)
            if len(seen) == 2:  # all that there are
                door.settle_and_end_streams(task, complete({"output": "x"}))
    assert [1, 2, 3] == [one.seq for one in seen if isinstance(one, Event)]


async def test_a_server_that_stays_away_is_given_up(door: RestDoor) -> None:
    """After the patience is over, and not before it was told."""
    async with ApiClient(door.url) as api:
        follower = Follower(api, await submitted(api), patience_s=0.6)
        door.close()
        events = follower.events()
        assert Lost is type(await anext(events))
        with pytest.raises(Unreachable):
            await _all(events)


async def test_an_unknown_task_is_refused_at_once(door: RestDoor) -> None:
    """Waiting would not help."""
    async with ApiClient(door.url) as api:
        with pytest.raises(Refused, match="There is no task"):
            await anext(Follower(api, "task_none").events())


async def test_a_waiting_task_can_be_followed_through(door: RestDoor) -> None:
    """`run` stops there; `tasks follow` goes on until the end."""
    waits = Move(
        to=Status.WAITING, reason=Reason.INPUT, event=NewEvent(type=EventType.TASK_WAITING)
    )
    async with ApiClient(door.url) as api:
        task_id = await submitted(api)
        door.settle(door.claim(), waits)
        stops = Follower(api, task_id)
        assert 3 == len([event async for event in stops.events()])
        goes_on = Follower(api, task_id, through_waiting=True)
        seen = []
        async for event in goes_on.events():
            seen.append(event)
            if len(seen) == 3:
                await api.ask(calls.cancel(task_id))
    assert ("waiting", "cancelled") == (stops.task["status"], goes_on.task["status"])
