"""REST: what a task did and waits for, and what a client brings it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from door_support import TYPES, URN, client_of
from waiting_task import APPROVAL, EFFECT, QUESTION, dead_letter, waiting

from ops_core.api import create_app
from ops_core.service import TaskService
from ops_core.task import NewTask
from ops_core.testing import FrozenClock, MemoryStore, services_of

TASK = "/api/v1/tasks/t"
DEAD = "/api/v1/dead-letters"
NOW = "2026-01-01T00:00:00.000000Z"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FrozenClock())


@pytest.fixture
def rings() -> list[str]:
    return []


@pytest.fixture
async def client(store: MemoryStore, rings: list[str]) -> AsyncIterator[httpx2.AsyncClient]:
    service = TaskService(store, TYPES, lambda _queue, task_id: rings.append(task_id))
    async with client_of(create_app(services_of(service))) as client:
        yield client


def problem(answer: httpx2.Response) -> tuple[int, str, list[str]]:
    found = answer.json()
    paths = [error["path"] for error in found.get("errors", [])]
    return answer.status_code, found["type"].removeprefix(URN), paths


async def test_a_waiting_task_says_what_it_waits_for(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """Each with its reason and the step to answer, whatever else a call in doubt says of its place."""
    await waiting(store, "t")
    task = (await client.get(TASK)).json()
    assert "waiting" == task["status"]
    assert [("input", QUESTION), ("approval", APPROVAL), ("effect_unknown", EFFECT)] == [
        (wait["reason"], wait["step"]) for wait in task["waiting_for"]
    ]
    assert "Which one?" == task["waiting_for"][0]["question"]


@pytest.mark.parametrize(
    ("path", "sent", "event", "said"),
    [
        (
            "/input",
            {"answer": {"colour": "blue"}, "step": QUESTION},
            "input.received",
            {"path": QUESTION, "answer": {"colour": "blue"}, "by": "anonymous"},
        ),
        (
            f"/approvals/{APPROVAL}/resolve",
            {"decision": "reject", "comment": "Too much."},
            "approval.resolved",
            {
                "path": APPROVAL,
                "decision": "reject",
                "comment": "Too much.",
                "by": "anonymous",
            },
        ),
        (
            f"/effects/{EFFECT}/resolve",
            {"outcome": "happened", "result": "It was sent."},
            "effect.resolved",
            {"path": EFFECT, "outcome": "happened", "result": "It was sent.", "by": "anonymous"},
        ),
        (
            f"/effects/{EFFECT.replace('/', '%2F')}/resolve/",
            {"outcome": "run_again"},
            "effect.resolved",
            {"path": EFFECT, "outcome": "run_again", "result": None, "by": "anonymous"},
        ),
    ],
    ids=["input", "approval", "effect", "effect, escaped"],
)
async def test_what_is_brought_wakes_the_task_once(
    client: httpx2.AsyncClient,
    store: MemoryStore,
    rings: list[str],
    path: str,
    sent: dict[str, Any],
    event: str,
    said: dict[str, Any],
) -> None:
    """202 and the task, pending and rung for; a second time nothing is asked any more: 409."""
    await waiting(store, "t")
    answer = await client.post(TASK + path, json=sent)
    assert (202, "pending", None, ["t"]) == (
        answer.status_code,
        answer.json()["status"],
        answer.json()["waiting_for"],
        rings,
    )
    told = (await client.get(f"{TASK}/events")).json()["events"]
    assert [(event, said)] == [(e["type"], e["data"]) for e in told if e["type"] == event]
    assert (409, "nothing_asked", []) == problem(await client.post(TASK + path, json=sent))
    assert ["t"] == rings


async def test_the_only_open_question_needs_no_step(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """One is open: it is meant."""
    await waiting(store, "t", QUESTION)
    answer = await client.post(f"{TASK}/input", json={"answer": "blue"})
    assert (202, "pending") == (answer.status_code, answer.json()["status"])


@pytest.mark.parametrize(
    ("path", "sent", "wrong"),
    [
        ("/input", {}, ["answer"]),
        ("/input", {"answer": 1, "colour": "red"}, ["colour"]),
        ("/input", {"answer": "\0"}, ["answer"]),
        ("/input", {"answer": 1, "step": "x" * 1001}, ["step"]),
        (f"/effects/{EFFECT}/resolve", {}, ["outcome"]),
        (f"/effects/{EFFECT}/resolve", {"outcome": "perhaps"}, ["outcome"]),
        (f"/effects/{EFFECT}/resolve", {"outcome": "fail", "result": 1}, ["result"]),
        (f"/effects/{EFFECT}/resolve", {"outcome": "happened", "result": 2**64}, ["result"]),
        (f"/approvals/{APPROVAL}/resolve", {"decision": "maybe"}, ["decision"]),
        (f"/approvals/{APPROVAL}/resolve", {"decision": "approve", "comment": 1}, ["comment"]),
        ("/effects/a%00/resolve", {"outcome": "fail"}, ["step"]),
        ("/input?wait=1", {"answer": 1}, ["query.wait"]),
        (f"/effects/{EFFECT}/resolve?wait=1", {"outcome": "fail"}, ["query.wait"]),
        (f"/approvals/{APPROVAL}/resolve?wait=1", {"decision": "approve"}, ["query.wait"]),
    ],
)
async def test_what_cannot_be_meant_is_named(
    client: httpx2.AsyncClient,
    store: MemoryStore,
    path: str,
    sent: dict[str, Any],
    wrong: list[str],
) -> None:
    """422 with each wrong field; the task waits on."""
    await waiting(store, "t")
    assert (422, "invalid_request", wrong) == problem(await client.post(TASK + path, json=sent))
    assert "waiting" == (await client.get(TASK)).json()["status"]


async def test_a_deep_answer_is_refused_by_its_depth(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """No nesting can exhaust the server."""
    await waiting(store, "t")
    deep = '{"answer": ' + "[" * 50_000 + "]" * 50_000 + "}"
    answer = await client.post(
        f"{TASK}/input", content=deep, headers={"content-type": "application/json"}
    )
    assert 422 == answer.status_code


async def test_an_answer_that_does_not_say_it_is_json_is_refused(
    client: httpx2.AsyncClient,
) -> None:
    """415, as for a task: no page in a browser can send one unasked."""
    for path in ("/input", f"/effects/{EFFECT}/resolve", f"/approvals/{APPROVAL}/resolve"):
        answer = await client.post(TASK + path, content=b'{"answer": 1}')
        assert (415, "unsupported_media_type", []) == problem(answer)


async def test_nothing_reaches_a_task_that_has_ended(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """409 for one that was cancelled, 404 for one that is not there."""
    await waiting(store, "t")
    await client.post(f"{TASK}/cancel")
    answer = await client.post(f"{TASK}/input", json={"answer": 1})
    assert (409, "task_finished", []) == problem(answer)
    answer = await client.post("/api/v1/tasks/u/input", json={"answer": 1})
    assert (404, "task_not_found", []) == problem(answer)


async def test_the_steps_are_told_page_by_page(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """`after` leaves out those that were seen; each step is whole."""
    await waiting(store, "t")
    first = (await client.get(f"{TASK}/steps?limit=2")).json()
    rest = (await client.get(f"{TASK}/steps?after={first['next_after']}")).json()
    assert (3, 2, 3) == (first["total"], first["next_after"], rest["next_after"])
    assert [QUESTION, APPROVAL] == [step["step"] for step in first["steps"]]
    [step] = rest["steps"]
    expected = {
        "step": EFFECT,
        "kind": "tool",
        "name": "send",
        "key": step["key"],
        "status": "unknown",
        "effect": "unsafe",
        "arguments": {"to": "ann"},
        "output": None,
        "truncated": False,
        "why": "it was cut off",
        "usage": None,
        "cost_usd": None,
        "resolution": None,
        "attempt": 1,
        "generation": 1,
        "started_at": None,
        "finished_at": None,
        "duration_s": None,
    }
    assert list(expected.items()) == list(step.items())
    assert 64 == len(step["key"])


async def test_a_task_shows_its_children(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    """Newest first, as tasks are listed; a task that is not there has none to show."""
    await waiting(store, "t")
    for child in ("a", "b"):
        new = NewTask(
            task_id=child,
            tenant_id="default",
            task_type="noop",
            input_data={},
            parent_task_id="t",
        )
        await store.submit(new)
    page = (await client.get(f"{TASK}/children?limit=1")).json()
    rest = (await client.get(f"{TASK}/children?cursor={page['next_cursor']}")).json()
    seen = [task["task_id"] for task in [*page["tasks"], *rest["tasks"]]]
    assert (2, ["b", "a"]) == (page["total"], seen)
    assert (404, "task_not_found", []) == problem(await client.get("/api/v1/tasks/u/children"))


async def test_dead_letters_are_listed_until_they_are_dealt_with(
    client: httpx2.AsyncClient, store: MemoryStore, rings: list[str]
) -> None:
    """Retried they are pending, discarded they stay failed; a second time it is a conflict."""
    for task_id in ("a", "b", "c"):
        await dead_letter(store, task_id)
    page = (await client.get(DEAD)).json()
    assert (["c", "b", "a"], {NOW}) == (
        [task["task_id"] for task in page["tasks"]],
        {task["dead_letter_at"] for task in page["tasks"]},
    )
    retried = await client.post(f"{DEAD}/a/retry")
    assert (202, "pending", None) == (
        retried.status_code,
        retried.json()["status"],
        retried.json()["dead_letter_at"],
    )
    assert ["a"] == rings
    discarded = await client.post(f"{DEAD}/b/discard")
    assert (200, "failed", None) == (
        discarded.status_code,
        discarded.json()["status"],
        discarded.json()["dead_letter_at"],
    )
    again = await client.post(f"{DEAD}/b/discard")
    assert (409, "not_a_dead_letter", []) == problem(again)
    assert ["c"] == [task["task_id"] for task in (await client.get(f"{DEAD}/")).json()["tasks"]]


async def test_a_foreign_cursor_is_named_where_it_was_sent(client: httpx2.AsyncClient) -> None:
    """In the query."""
    answer = await client.get(f"{DEAD}?cursor=elsewhere")
    assert (422, "invalid_request", ["query.cursor"]) == problem(answer)


async def test_only_a_dead_letter_is_retried_as_one(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """A cancelled task is none: its own `/retry` opens it again."""
    await store.submit(NewTask(task_id="t", tenant_id="default", task_type="x", input_data={}))
    await store.cancel("default", "t")
    assert (409, "not_a_dead_letter", []) == problem(await client.post(f"{DEAD}/t/retry"))
    assert 202 == (await client.post(f"{TASK}/retry")).status_code
