"""The domain service: what it refuses, what it stores, and when it asks for a ring."""

from datetime import timedelta
from typing import Any

import pytest
from door_support import service_over
from stream_support import started

from ops_core.bounds import MAX_PAGE
from ops_core.errors import FieldError, IdempotencyConflict, InvalidRequest, StoreUnavailable
from ops_core.log import Event, EventType, NewEvent
from ops_core.ports import Append, Lease, TaskFilter, TaskType
from ops_core.request import parse_request
from ops_core.service import Submitted, TaskService
from ops_core.task import NewTask, Task, Usage
from ops_core.testing import FrozenClock, MemoryStore

pytestmark = pytest.mark.unit

ECHO = TaskType(
    name="echo",
    input_schema={
        "type": "object",
        "required": ["goal"],
        "additionalProperties": False,
        "properties": {
            "goal": {"type": "string", "minLength": 1},
            "config": {"type": "object", "properties": {"provider": {"enum": ["a", "b"]}}},
        },
    },
    aliases={"prompt": "goal"},
    queue="echoes",
)


class Desk:
    """A service over a fresh store, and the rings it asked for."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, str]] = []
        self.clock = FrozenClock()
        self.store = MemoryStore(self.clock)
        self.service = TaskService(self.store, {"echo": ECHO}, lambda *ring: self.rung.append(ring))

    async def submit(self, key: str | None = None, /, **fields: Any) -> Submitted:
        data = {"task_type": "echo", "input_data": {"goal": "hi"}, **fields}
        return await self.service.submit(
            parse_request(data), tenant_id="default", idempotency_key=key
        )


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_submitted_task_is_stored_and_rung(desk: Desk) -> None:
    """An accepted task is in the store, on the queue of its type, and one ring is asked for."""
    submitted = await desk.submit()
    assert submitted.created
    assert "echoes" == (await desk.store.get("default", submitted.task.task_id)).queue
    assert [("echoes", submitted.task.task_id)] == desk.rung


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"task_type": "nope"}, "task_type"),
        ({"agent": "nobody"}, "agent"),
        ({"input_data": {}}, "input_data.goal"),
        ({"input_data": {"goal": ""}}, "input_data.goal"),
        ({"input_data": {"goal": "x", "more": 1}}, "input_data.more"),
        ({"input_data": {"goal": "x", "config": {"provider": "z"}}}, "input_data.config.provider"),
        ({"input_data": {"goal": "x", "prompt": "y"}}, "input_data.prompt"),
    ],
)
async def test_what_no_worker_could_run_is_refused_and_not_stored(
    desk: Desk, fields: dict[str, Any], path: str
) -> None:
    """An unknown type, agent or provider is the client's error, and nothing is stored or rung."""
    with pytest.raises(InvalidRequest) as refused:
        await desk.submit(**fields)
    assert [path] == [error.path for error in refused.value.errors]
    assert 0 == (await desk.service.list(TaskFilter(), tenant_id="default")).total
    assert [] == desk.rung


async def test_the_older_name_of_a_field_is_accepted(desk: Desk) -> None:
    """`prompt` means `goal`, and the task is stored under the current name."""
    submitted = await desk.submit(input_data={"prompt": "hi"})
    assert {"goal": "hi"} == submitted.task.input_data


async def test_the_older_name_is_the_same_request(desk: Desk) -> None:
    """A key used with `prompt` and again with `goal` is one task."""
    first = await desk.submit("k", input_data={"prompt": "hi"})
    again = await desk.submit("k", input_data={"goal": "hi"})
    assert (first.task.task_id, False) == (again.task.task_id, again.created)


async def test_a_repeated_submit_is_not_rung_again(desk: Desk) -> None:
    """Only the request that stored the task rings."""
    await desk.submit("k")
    await desk.submit("k")
    assert 1 == len(desk.rung)


async def test_the_same_key_with_another_body_is_refused(desk: Desk) -> None:
    """An idempotency key stands for one request."""
    await desk.submit("k")
    with pytest.raises(IdempotencyConflict):
        await desk.submit("k", priority=1)


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb"])
async def test_an_unusable_idempotency_key_is_refused(desk: Desk, key: str) -> None:
    """A key is 1 to 255 printable characters."""
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        await desk.submit(key)


async def test_a_delayed_task_is_not_rung_by_its_submit(desk: Desk) -> None:
    """Upkeep rings for a delayed task when its time comes; a ring now would find nothing."""
    await desk.submit(scheduled_at=desk.clock() + timedelta(hours=1))
    assert [] == desk.rung


async def test_a_retried_task_is_rung(desk: Desk) -> None:
    """A retry asks for a ring like a submit does."""
    task = (await desk.submit()).task
    await desk.service.cancel(task.task_id, tenant_id="default")
    desk.rung.clear()
    await desk.service.retry(task.task_id, tenant_id="default")
    assert [("echoes", task.task_id)] == desk.rung


@pytest.mark.parametrize("limit", [0, -1, 201])
async def test_a_page_has_a_bounded_size(desk: Desk, limit: int) -> None:
    """Neither an empty nor an endless page can be asked for."""
    with pytest.raises(InvalidRequest, match="limit"):
        await desk.service.list(TaskFilter(), tenant_id="default", limit=limit)


@pytest.mark.parametrize("after", [-1, 2**63])
async def test_after_is_a_sequence_number(desk: Desk, after: int) -> None:
    """A number that no event can have is refused before it reaches the database."""
    task = (await desk.submit()).task
    with pytest.raises(InvalidRequest, match="after"):
        await desk.service.events(task.task_id, tenant_id="default", after=after)


async def test_nothing_is_rung_when_the_store_is_away(desk: Desk) -> None:
    """A submit that was not stored asks for nothing."""

    class AwayStore(MemoryStore):
        async def submit(self, new: NewTask) -> tuple[Task, bool]:
            raise StoreUnavailable("away")

    service = TaskService(AwayStore(), {"echo": ECHO}, lambda *ring: desk.rung.append(ring))
    request = parse_request({"task_type": "echo", "input_data": {"goal": "hi"}})
    with pytest.raises(StoreUnavailable):
        await service.submit(request, tenant_id="default")
    assert [] == desk.rung


def test_a_field_error_reads_as_a_sentence() -> None:
    """The text of a refusal names the field and what is wrong with it."""
    assert "a.b: is required" == str(InvalidRequest([FieldError("a.b", "is required")]))


class PagesOnly(MemoryStore):
    """Gives a log page by page, and never as a whole."""

    async def log(self, tenant_id: str, task_id: str) -> list[Event]:
        raise AssertionError((tenant_id, task_id))


async def test_the_steps_of_a_long_log_are_read_page_by_page() -> None:
    """A log has no end, and a request for ten of its steps must not hold all of it."""
    store = PagesOnly()
    script = await started(store)
    lease = Lease("default", script.task_id, "w1", script.task.epoch)
    paths = [f"{number}/tool/1" for number in range(2 * MAX_PAGE + 5)]
    for path in paths:
        told = {"path": path, "tool": "t", "output": path}
        event = NewEvent(type=EventType.TOOL_COMPLETED, data=told)
        await store.append([Append(lease, [event], Usage())])
    service = service_over(store)
    page = await service.steps(script.task_id, tenant_id="default", after=len(paths) - 2, limit=10)
    assert (paths[-2:], len(paths)) == ([step.step for step in page.steps], page.total)
