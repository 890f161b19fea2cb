"""The two clients against the real REST door over the in-memory store; the test plays the worker."""

import threading
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from ops_core.log import EventType, NewEvent
from ops_core.moves import complete
from opspawn.client import (
    AsyncOpspawnClient,
    IdempotencyConflict,
    InvalidRequest,
    NotFound,
    NothingAsked,
    OpspawnClient,
    Patience,
    TaskFinished,
    TaskNotRetriable,
    Unreachable,
    WaitTimedOut,
)
from support.rest_door import RestDoor, rest_door

STEP = NewEvent(type=EventType.LLM_COMPLETED, data={"step": 1})


@pytest.fixture
def door() -> Iterator[RestDoor]:
    with rest_door() as door:
        yield door


@pytest.fixture
def client(door: RestDoor) -> Iterator[OpspawnClient]:
    with OpspawnClient(door.url, "key") as client:
        yield client


def test_a_goal_comes_back_as_a_typed_task(client: OpspawnClient) -> None:
    """With what was asked for."""
    task = client.run("g", agent_config={"max_steps": 3}, name="n", labels={"team": "a"})
    expected = {"goal": "g", "agent_config": {"max_steps": 3}}
    assert (expected, "n", {"team": "a"}) == (task.input_data, task.name, task.labels)
    assert task.created_at.tzinfo is not None
    assert task == client.get(task.task_id)


def test_a_list_reads_over_all_of_its_pages(client: OpspawnClient) -> None:
    """Newest first."""
    submitted = [client.run(f"g{number}").task_id for number in range(5)]
    assert submitted[::-1] == [task.task_id for task in client.list(limit=2)]
    assert submitted[::-1] == [task["task_id"] for task in client.pages("/tasks", limit=2)]


def test_what_the_server_refuses_is_an_error_of_its_type(client: OpspawnClient) -> None:
    """Each with what is wrong."""
    task = client.run("g", idempotency_key="k")
    assert task == client.run("g", idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        client.run("other", idempotency_key="k")
    with pytest.raises(NotFound, match="There is no task"):
        client.get("task_none")
    with pytest.raises(TaskNotRetriable):
        client.retry(task.task_id)
    with pytest.raises(NothingAsked):
        client.answer(task.task_id, "yes")
    with pytest.raises(InvalidRequest) as wrong:
        client.submit({"task_type": "agent_run", "input_data": {"goal": "g"}, "colour": "red"})
    assert "colour" == wrong.value.errors[0].path


def test_a_task_is_waited_for(client: OpspawnClient, door: RestDoor) -> None:
    """Until it has ended, or the time is over."""
    task_id = client.run("g").task_id
    with pytest.raises(WaitTimedOut):
        client.wait(task_id, timeout_s=0.2)
    claimed = door.claim()
    threading.Timer(0.2, door.settle, (claimed, complete({"output": "x"}))).start()
    done = client.wait(task_id, timeout_s=20)
    assert ("completed", "x") == (done.status, done.output)
    with pytest.raises(TaskFinished):
        client.cancel(task_id)


def test_a_task_is_followed_over_a_restart_of_its_server(
    client: OpspawnClient, door: RestDoor
) -> None:
    """Each event once and in order."""
    task_id = client.run("g").task_id
    claimed = door.claim()
    seen = []
    for event in client.follow(task_id):
        seen.append(event.seq)
        if len(seen) == 2:  # all that there are
            door.close()
            door.append(claimed, STEP)
            door.settle(claimed, complete({"output": "x"}))
            door.open()
    assert [1, 2, 3, 4] == seen
    assert seen == [event.seq for event in client.events(task_id)]


async def test_the_client_for_asyncio_does_the_same(door: RestDoor) -> None:
    """The rules are the same; only the transport is another."""
    async with AsyncOpspawnClient(door.url) as client:
        task_id = (await client.run("g")).task_id
        claimed = door.claim()
        seen = []
        async with aclosing(client.follow(task_id)) as events:
            async for event in events:
                seen.append(event.seq)
                if len(seen) == 2:
                    door.close()
                    door.settle(claimed, complete({"output": "x"}))
                    door.open()
        assert [1, 2, 3] == seen
        assert "x" == (await client.wait(task_id)).output
        assert [task_id] == [task.task_id async for task in client.list(status="completed")]


async def test_a_following_that_is_left_keeps_no_connection(door: RestDoor) -> None:
    """The client goes on to serve."""
    async with AsyncOpspawnClient(door.url) as client:
        task_id = (await client.run("g")).task_id
        async with aclosing(client.follow(task_id)) as events:
            assert 1 == (await anext(events)).seq
        assert "pending" == (await client.get(task_id)).status


def test_nobody_at_the_address_is_told_with_the_address(door: RestDoor) -> None:
    """After as many attempts as the patience has."""
    door.close()
    with (
        OpspawnClient(door.url, patience=Patience(attempts=2)) as client,
        pytest.raises(Unreachable, match=door.url),
    ):
        client.get("task_1")


async def test_nobody_at_the_address_is_told_for_asyncio_as_well(door: RestDoor) -> None:
    """To who asks, and to who follows: after the patience with streams."""
    door.close()
    patience = Patience(attempts=2, stream_s=0.1)
    async with AsyncOpspawnClient(door.url, patience=patience) as client:
        with pytest.raises(Unreachable, match=door.url):
            await client.get("task_1")
        with pytest.raises(Unreachable, match=door.url):
            await anext(client.follow("task_1"))
