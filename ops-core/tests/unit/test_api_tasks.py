"""REST: submitting, reading, listing and cancelling tasks."""

from collections.abc import AsyncIterator
from decimal import Decimal

import httpx2
import pytest
from door_support import client_of, service_over

from ops_core.api import create_app
from ops_core.log import EventType, NewEvent
from ops_core.moves import complete, fail
from ops_core.ports import Append, Lease
from ops_core.task import TaskError, Usage
from ops_core.testing import FrozenClock, MemoryStore, services_of

TASKS = "/api/v1/tasks/"
NOW = "2026-01-01T00:00:00.000000Z"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(clock: FrozenClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
async def client(store: MemoryStore) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(create_app(services_of(service_over(store)))) as client:
        yield client


async def submit(client: httpx2.AsyncClient, **fields: object) -> str:
    answer = await client.post(TASKS, json={"task_type": "noop", **fields})
    assert 201 == answer.status_code
    return str(answer.json()["task_id"])


async def claim(store: MemoryStore) -> Lease:
    await store.beat("w1", ["default"], slots=1, running=0)
    [task] = await store.claim("w1", ["default"], 1)
    return Lease(task.tenant_id, task.task_id, "w1", task.epoch)


async def test_a_submitted_task_is_answered_as_the_contract_has_it(
    client: httpx2.AsyncClient,
) -> None:
    """201, the place of the task, and every field of the contract in its order."""
    sent = {"task_type": "agent_run", "input_data": {"goal": "2 + 2"}, "labels": {"team": "a"}}
    answer = await client.post(TASKS, json=sent)
    task_id = answer.json()["task_id"]
    assert (201, f"/api/v1/tasks/{task_id}") == (answer.status_code, answer.headers["location"])
    expected = {
        "task_id": task_id,
        "task_type": "agent_run",
        "name": None,
        "status": "pending",
        "reason": "queued",
        "input_data": {"goal": "2 + 2"},
        "result": None,
        "error_message": None,
        "error": None,
        "agent": "default",
        "agent_version": None,
        "thread_id": None,
        "parent_task_id": None,
        "priority": 0,
        "labels": {"team": "a"},
        "tenant_id": "default",
        "attempt": 0,
        "generation": 1,
        "waiting_for": None,
        "usage": {"input_tokens": 0, "output_tokens": 0, "cost_usd": "0", "steps": 0},
        "created_at": NOW,
        "updated_at": NOW,
        "scheduled_at": None,
        "started_at": None,
        "completed_at": None,
        "dead_letter_at": None,
        "concurrency_key": None,
        "budget": None,
        "budget_left": None,
    }
    assert list(expected.items()) == list(answer.json().items())


async def test_a_stored_task_is_found_where_location_says(client: httpx2.AsyncClient) -> None:
    """What a submit answers and what its Location answers are the same."""
    submitted = await client.post(TASKS, json={"task_type": "noop"})
    found = await client.get(submitted.headers["location"])
    assert (200, submitted.json()) == (found.status_code, found.json())


async def test_the_older_name_of_the_goal_is_accepted(client: httpx2.AsyncClient) -> None:
    """`prompt` is stored as `goal`."""
    answer = await client.post(
        TASKS, json={"task_type": "agent_run", "input_data": {"prompt": "2 + 2"}}
    )
    assert {"goal": "2 + 2"} == answer.json()["input_data"]


async def test_a_key_that_is_repeated_gives_the_first_task(client: httpx2.AsyncClient) -> None:
    """The same key and body: 200, the same task, and a header that says so."""
    key = {"Idempotency-Key": "k1"}
    first = await client.post(TASKS, json={"task_type": "noop"}, headers=key)
    again = await client.post(TASKS, json={"task_type": "noop"}, headers=key)
    assert (201, None) == (first.status_code, first.headers.get("idempotent-replay"))
    assert (200, "true") == (again.status_code, again.headers["idempotent-replay"])
    assert first.json() == again.json()


async def test_a_key_with_another_body_is_a_conflict(client: httpx2.AsyncClient) -> None:
    """The same key cannot stand for two requests: 409."""
    key = {"Idempotency-Key": "k1"}
    await client.post(TASKS, json={"task_type": "noop"}, headers=key)
    answer = await client.post(TASKS, json={"task_type": "noop", "priority": 1}, headers=key)
    assert 409 == answer.status_code
    assert "urn:opspawn:problem:idempotency_conflict" == answer.json()["type"]


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_trailing_slash_makes_no_difference(client: httpx2.AsyncClient, slash: str) -> None:
    """Every path answers itself with and without the slash; none redirects."""
    task_id = await submit(client)
    post, get = client.post, client.get
    answers = [
        await post(f"/api/v1/tasks{slash}", json={"task_type": "noop"}),
        await get(f"/api/v1/tasks{slash}"),
        await get(f"/api/v1/tasks/{task_id}{slash}"),
        await get(f"/api/v1/tasks/{task_id}/events{slash}"),
        await post(f"/api/v1/tasks/{task_id}/cancel{slash}"),
        await get(f"/health{slash}"),
        await get(f"/openapi.json{slash}"),
    ]
    assert [201, 200, 200, 200, 202, 200, 200] == [answer.status_code for answer in answers]


async def test_a_failed_task_says_why(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    """`error` has its type, and `error_message` repeats its message."""
    task_id = await submit(client)
    error = TaskError(type="provider_auth", message="Set OPENAI_API_KEY.")
    await store.settle(await claim(store), fail(error))
    task = (await client.get(TASKS + task_id)).json()
    assert ("failed", "error") == (task["status"], task["reason"])
    expected = {"type": "provider_auth", "message": "Set OPENAI_API_KEY.", "retryable": False}
    assert (expected, "Set OPENAI_API_KEY.") == (task["error"], task["error_message"])


async def test_money_is_a_plain_decimal(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    """A cost so small that Python would print an exponent is still written in digits."""
    task_id = await submit(client)
    spent = Usage(input_tokens=3, cost_usd=Decimal("1E-8"))
    await store.append([Append(await claim(store), [], spent)])
    assert "0.00000001" == (await client.get(TASKS + task_id)).json()["usage"]["cost_usd"]


async def test_pages_follow_each_other_without_gap_or_repeat(client: httpx2.AsyncClient) -> None:
    """Newest first; `next_cursor` leads to the next page and is null on the last."""
    ids = [await submit(client, name=str(n)) for n in range(3)]
    first = (await client.get(TASKS, params={"limit": 2})).json()
    rest = (await client.get(TASKS, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert (3, 3) == (first["total"], rest["total"])
    seen = [task["task_id"] for task in [*first["tasks"], *rest["tasks"]]]
    assert sorted(ids) == sorted(seen)
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"a", "b"}),
        ({"status": "pending"}, {"a", "b"}),
        ({"status": "running"}, set()),
        ({"task_type": "noop"}, {"a", "b"}),
        ({"task_type": "other"}, set()),
        ({"agent": "default"}, {"a", "b"}),
        ({"label": "team:x:y"}, {"a"}),
        ({"label": "team:"}, set()),
        ({"thread_id": "t1"}, {"b"}),
        ({"parent_task_id": "task_1"}, set()),
        ({"created_after": "2026-01-01T00:00:00Z"}, {"b"}),
        ({"created_after": "2026-01-01T01:00:00+01:00"}, {"b"}),
        ({"status": "pending", "thread_id": "t1"}, {"b"}),
    ],
)
async def test_a_list_holds_what_every_filter_lets_through(
    client: httpx2.AsyncClient, clock: FrozenClock, query: dict[str, str], found: set[str]
) -> None:
    """Each filter of the contract, alone and with another one."""
    await submit(client, name="a", labels={"team": "x:y"})
    clock.advance(60)
    await submit(client, name="b", thread_id="t1")
    page = (await client.get(TASKS, params=query)).json()
    assert (found, len(found)) == ({task["name"] for task in page["tasks"]}, page["total"])


async def test_events_are_told_in_order_from_where_the_client_stands(
    client: httpx2.AsyncClient,
) -> None:
    """`after` leaves out what the client has seen; `next_after` is where it stands then."""
    task_id = await submit(client)
    await client.post(f"{TASKS}{task_id}/cancel")
    events = f"{TASKS}{task_id}/events"
    first = (await client.get(events, params={"limit": 1})).json()
    rest = (await client.get(events, params={"after": first["next_after"]})).json()
    assert ([(1, "task.submitted")], 1) == (
        [(event["seq"], event["type"]) for event in first["events"]],
        first["next_after"],
    )
    expected = {"seq": 2, "type": "task.cancelled", "v": 1, "at": NOW, "data": {}}
    assert {"events": [expected], "next_after": 2} == rest
    assert {"events": [], "next_after": 2} == (await client.get(events + "?after=2")).json()


async def test_the_journal_stays_private(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    """What replay keeps beside an event is in no answer."""
    task_id = await submit(client)
    event = NewEvent(type=EventType.LLM_COMPLETED, data={"model": "m"}, journal={"raw": "private"})
    await store.append([Append(await claim(store), [event], Usage())])
    answer = await client.get(f"{TASKS}{task_id}/events")
    assert "llm.completed" in answer.text
    assert "private" not in answer.text
    assert "journal" not in answer.text


async def test_cancelling_a_pending_task_ends_it(client: httpx2.AsyncClient) -> None:
    """202 and the task as it is then; a second time it is 200, and nothing changes."""
    task_id = await submit(client)
    first = await client.post(f"{TASKS}{task_id}/cancel")
    again = await client.post(f"{TASKS}{task_id}/cancel")
    assert (202, "cancelled") == (first.status_code, first.json()["status"])
    assert (200, first.json()) == (again.status_code, again.json())


async def test_cancelling_a_running_task_asks_its_worker(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """The task runs on until its owner has settled it, and stays 202 until then."""
    task_id = await submit(client)
    await claim(store)
    for _ in range(2):
        answer = await client.post(f"{TASKS}{task_id}/cancel")
        assert (202, "running") == (answer.status_code, answer.json()["status"])


async def test_a_completed_task_cannot_be_cancelled(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """409, and the result stays."""
    task_id = await submit(client)
    await store.settle(await claim(store), complete({"output": "4"}))
    answer = await client.post(f"{TASKS}{task_id}/cancel")
    assert (409, "urn:opspawn:problem:task_finished") == (
        answer.status_code,
        answer.json()["type"],
    )
    task = (await client.get(TASKS + task_id)).json()
    assert ("completed", {"output": "4"}) == (task["status"], task["result"])


async def test_a_cancelled_task_is_retried_in_place(client: httpx2.AsyncClient) -> None:
    """202 and the same task, pending in its next generation."""
    task_id = await submit(client)
    await client.post(f"{TASKS}{task_id}/cancel")
    answer = await client.post(f"{TASKS}{task_id}/retry")
    task = answer.json()
    assert (202, task_id, "pending", 2) == (
        answer.status_code,
        task["task_id"],
        task["status"],
        task["generation"],
    )


async def test_a_task_under_way_cannot_be_retried(client: httpx2.AsyncClient) -> None:
    """409, and the task stays in its generation."""
    task_id = await submit(client)
    answer = await client.post(f"{TASKS}{task_id}/retry")
    assert (409, "urn:opspawn:problem:task_not_retriable") == (
        answer.status_code,
        answer.json()["type"],
    )
    assert 1 == (await client.get(TASKS + task_id)).json()["generation"]
