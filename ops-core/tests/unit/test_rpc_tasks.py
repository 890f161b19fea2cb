"""gRPC: submitting, reading, listing and cancelling tasks, over a real server."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from door_support import channel_to, refused, request, service_over, struct, stub_of
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from ops_core.moves import complete, fail
from ops_core.ports import Append, Lease
from ops_core.rpc.v1 import tasks_pb2
from ops_core.task import TaskError, Usage
from ops_core.testing import FrozenClock, MemoryStore


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(clock: FrozenClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
async def stub(store: MemoryStore) -> AsyncIterator[Any]:
    async with channel_to(service_over(store)) as channel:
        yield stub_of(channel)


async def submit(stub: Any, **fields: Any) -> tasks_pb2.Task:
    answer: tasks_pb2.CreateTaskResponse = await stub.CreateTask(request(**fields))
    return answer.task


async def claim(store: MemoryStore) -> Lease:
    await store.beat("w1", ["default"], slots=1, running=0)
    [task] = await store.claim("w1", ["default"], 1)
    return Lease(task.tenant_id, task.task_id, "w1", task.epoch)


async def get(stub: Any, task_id: str) -> tasks_pb2.Task:
    answer: tasks_pb2.GetTaskResponse = await stub.GetTask(
        tasks_pb2.GetTaskRequest(task_id=task_id)
    )
    return answer.task


def test_the_first_ten_fields_of_a_task_keep_their_numbers() -> None:
    """Clients of the original system can read a task: its fields and states are where they were."""
    numbers = {
        field.name: field.number for field in tasks_pb2.Task.DESCRIPTOR.fields if field.number <= 10
    }
    expected = {
        "task_id": 1,
        "task_type": 2,
        "status": 3,
        "input_data": 4,
        "result": 5,
        "created_at": 6,
        "updated_at": 7,
        "started_at": 8,
        "completed_at": 9,
        "error_message": 10,
    }
    assert expected == numbers
    states = ["TASK_STATUS_UNSPECIFIED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
    assert dict(zip([*states, "WAITING"], range(7), strict=True)) == dict(
        tasks_pb2.TaskStatus.items()
    )


async def test_a_submitted_task_is_answered_whole(stub: Any) -> None:
    """Everything that a task has; what it does not have is absent."""
    labels = {"team": "a"}
    task = await submit(stub, input_data=struct(n=17, x=1.5, some=[None, True, {}]), labels=labels)
    expected = {
        "task_id": task.task_id,
        "task_type": "noop",
        "status": "PENDING",
        "reason": "queued",
        "input_data": {"n": 17.0, "x": 1.5, "some": [None, True, {}]},
        "agent": "default",
        "labels": labels,
        "tenant_id": "default",
        "generation": 1,
        "usage": {"cost_usd": "0"},
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    }
    assert expected == MessageToDict(task, preserving_proto_field_name=True)


async def test_every_field_of_a_request_reaches_the_store(stub: Any, store: MemoryStore) -> None:
    """What a client asks for is what is stored; whole numbers are integers again."""
    later = datetime(2027, 1, 1, tzinfo=UTC)
    sent = await submit(
        stub,
        input_data=struct(n=17, x=1.5),
        name="sum",
        agent="default",
        thread_id="t1",
        priority=-3,
        scheduled_at=later,
        deadline_s=60.5,
        retry_policy=tasks_pb2.RetryPolicy(max_attempts=5, backoff_s=0),
        labels={"team": "a"},
    )
    task = await store.get("default", sent.task_id)
    assert {"n": 17, "x": 1.5} == task.input_data
    assert isinstance(task.input_data["n"], int)
    assert ("sum", "t1", -3, later, {"team": "a"}) == (
        task.name,
        task.thread_id,
        task.priority,
        task.scheduled_at,
        task.labels,
    )
    assert (5, 0, 300) == (
        task.retry_policy.max_attempts,
        task.retry_policy.backoff_s,
        task.retry_policy.max_backoff_s,
    )
    assert task.deadline_at is not None
    assert 60.5 == (task.deadline_at - task.created_at).total_seconds()


async def test_the_deepest_input_comes_back_as_it_was(stub: Any, store: MemoryStore) -> None:
    """What is allowed in depth also fits into the messages of both directions."""
    value: dict[str, Any] = {}
    for _ in range(30):
        value = {"a": value}
    task = await submit(stub, input_data=struct(**value))
    assert value == (await store.get("default", task.task_id)).input_data
    page = await stub.ListTasks(tasks_pb2.ListTasksRequest())
    assert task == page.tasks[0]


async def test_a_key_that_is_repeated_gives_the_first_task(stub: Any) -> None:
    """The same key and request: the same task, marked as replayed."""
    first = await stub.CreateTask(request(idempotency_key="k1"))
    again = await stub.CreateTask(request(idempotency_key="k1"))
    assert (False, True) == (first.replayed, again.replayed)
    assert first.task == again.task


async def test_a_failed_task_says_why(stub: Any, store: MemoryStore) -> None:
    """`error` has its type, and `error_message` repeats its message."""
    task = await submit(stub)
    await store.settle(await claim(store), fail(TaskError(type="limit", message="Too long.")))
    task = await get(stub, task.task_id)
    assert tasks_pb2.FAILED == task.status
    assert ("error", "limit", "Too long.", "Too long.") == (
        task.reason,
        task.error.type,
        task.error.message,
        task.error_message,
    )


async def test_a_completed_task_has_its_result_and_its_bill(stub: Any, store: MemoryStore) -> None:
    """The result as JSON, the cost as a plain decimal."""
    task = await submit(stub)
    assert not task.HasField("result")
    lease = await claim(store)
    await store.append([Append(lease, [], Usage(input_tokens=3, cost_usd=Decimal("1E-8")))])
    await store.settle(lease, complete({"output": "4"}))
    task = await get(stub, task.task_id)
    assert tasks_pb2.COMPLETED == task.status
    assert ({"output": "4"}, 3, "0.00000001") == (
        MessageToDict(task.result),
        task.usage.input_tokens,
        task.usage.cost_usd,
    )


async def test_pages_follow_each_other_without_gap_or_repeat(stub: Any) -> None:
    """Newest first; `next_cursor` leads to the next page and is absent on the last."""
    ids = [(await submit(stub)).task_id for _ in range(3)]
    first = await stub.ListTasks(tasks_pb2.ListTasksRequest(limit=2))
    rest = await stub.ListTasks(tasks_pb2.ListTasksRequest(limit=2, cursor=first.next_cursor))
    assert (3, 3) == (first.total, rest.total)
    assert sorted(ids) == sorted(task.task_id for task in [*first.tasks, *rest.tasks])
    assert not rest.HasField("next_cursor")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"a", "b"}),
        ({"status": "PENDING"}, {"a", "b"}),
        ({"status": "WAITING"}, set()),
        ({"task_type": "other"}, set()),
        ({"agent": "default"}, {"a", "b"}),
        ({"label": "team:x"}, {"a"}),
        ({"thread_id": "t1"}, {"b"}),
        ({"parent_task_id": "task_1"}, set()),
        ({"created_after": Timestamp(seconds=1767225600)}, {"b"}),
    ],
)
async def test_a_list_holds_what_every_filter_lets_through(
    stub: Any, clock: FrozenClock, query: dict[str, Any], found: set[str]
) -> None:
    """Each filter of the contract."""
    await submit(stub, name="a", labels={"team": "x"})
    clock.advance(60)
    await submit(stub, name="b", thread_id="t1")
    page = await stub.ListTasks(tasks_pb2.ListTasksRequest(**query))
    assert (found, len(found)) == ({task.name for task in page.tasks}, page.total)


async def test_cancelling_a_pending_task_ends_it(stub: Any) -> None:
    """The task as it is then; a second time changes nothing."""
    task = await submit(stub)
    cancel = tasks_pb2.CancelTaskRequest(task_id=task.task_id)
    first = await stub.CancelTask(cancel)
    assert tasks_pb2.CANCELLED == first.task.status
    assert first == await stub.CancelTask(cancel)


async def test_cancelling_a_running_task_asks_its_worker(stub: Any, store: MemoryStore) -> None:
    """The task runs on until its owner has settled it."""
    task = await submit(stub)
    await claim(store)
    answer = await stub.CancelTask(tasks_pb2.CancelTaskRequest(task_id=task.task_id))
    assert tasks_pb2.RUNNING == answer.task.status
    assert (await store.get("default", task.task_id)).cancel_requested


async def test_a_completed_task_cannot_be_cancelled(stub: Any, store: MemoryStore) -> None:
    """FAILED_PRECONDITION, and the result stays."""
    task = await submit(stub)
    await store.settle(await claim(store), complete({}))
    found = await refused(stub.CancelTask(tasks_pb2.CancelTaskRequest(task_id=task.task_id)))
    assert "task_finished" == found.type
    assert tasks_pb2.COMPLETED == (await get(stub, task.task_id)).status


async def test_a_cancelled_task_is_retried_in_place(stub: Any) -> None:
    """The same task, pending in its next generation; a second retry finds it under way."""
    task = await submit(stub)
    retry = tasks_pb2.RetryTaskRequest(task_id=task.task_id)
    await stub.CancelTask(tasks_pb2.CancelTaskRequest(task_id=task.task_id))
    again = (await stub.RetryTask(retry)).task
    assert (task.task_id, tasks_pb2.PENDING, 2) == (
        again.task_id,
        again.status,
        again.generation,
    )
    found = await refused(stub.RetryTask(retry))
    assert "task_not_retriable" == found.type
