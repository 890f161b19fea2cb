"""REST: bodies that are refused, and that the answer says what to mend."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from door_support import URN, client_of, fields, service_over

from ops_core.api import create_app
from ops_core.testing import MemoryStore, services_of

TASKS = "/api/v1/tasks/"
JSON = {"content-type": "application/json"}


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(create_app(services_of(service_over(MemoryStore())))) as client:
        yield client


async def test_a_refusal_is_a_problem_document(client: httpx2.AsyncClient) -> None:
    """RFC 9457, with every wrong field, and the id that the log has it under."""
    answer = await client.post("/api/v1/tasks", json={"task_type": 1, "colour": "red"})
    assert "application/problem+json" == answer.headers["content-type"]
    expected = {
        "type": f"{URN}invalid_request",
        "title": "Invalid request",
        "status": 422,
        "detail": "task_type: Input should be a valid string; colour: is not a known field",
        "instance": "/api/v1/tasks",
        "request_id": answer.headers["x-request-id"],
        "errors": [
            {"path": "task_type", "message": "Input should be a valid string"},
            {"path": "colour", "message": "is not a known field"},
        ],
    }
    assert expected == answer.json()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"task_type"', ""),
        (b"", ""),
        (b"[]", ""),
        (b"\xff\xfe", ""),
        (b'{"task_type": "noop", "input_data": {"s": "\\ud800"}}', ""),
        (b'{"task_type": "noop", "input_data": ' + b"[" * 1000 + b"]" * 1000 + b"}", ""),
        (b'{"task_type": "noop", "input_data": {"n": NaN}}', "input_data.n"),
        (b'{"task_type": "noop", "input_data": {"n": 1e999}}', "input_data.n"),
        (b'{"task_type": "noop", "input_data": {"n": 9223372036854775808}}', "input_data.n"),
        (b'{"task_type": "noop", "input_data": {"s": "\\u0000"}}', "input_data.s"),
        (b'{"task_type": "noop", "deadline_s": 0}', "deadline_s"),
        (b'{"task_type": "noop", "priority": "high"}', "priority"),
        (b'{"task_type": "noop", "scheduled_at": "tomorrow"}', "scheduled_at"),
        (b'{"task_type": "noop", "labels": {"": "x"}}', "labels"),
        (b'{"task_type": "noop", "retry_policy": {"max_attempts": 0}}', "retry_policy"),
        (b'{"task_type": "noop", "retry_policy": {"tries": 2}}', "retry_policy.tries"),
        (b'{"task_type": "noop", "budget": {"usd": 1}}', "budget.usd"),
        (b'{"task_type": "noop", "budget": {"cost_usd": "1e3"}}', "budget.cost_usd"),
        (b'{"task_type": "noop", "concurrency_key": ""}', "concurrency_key"),
        (b'{"input_data": {}}', "task_type"),
        (b'{"task_type": "nope"}', "task_type"),
        (b'{"task_type": "noop", "agent": "nobody"}', "agent"),
        (b'{"task_type": "agent_run"}', "input_data.goal"),
        (b'{"task_type": "agent_run", "input_data": {"goal": 4}}', "input_data.goal"),
        (
            b'{"task_type": "agent_run", "input_data": {"goal": "x", "agent_config":'
            b' {"llm_provider": "acme"}}}',
            "input_data.agent_config.llm_provider",
        ),
    ],
)
async def test_a_wrong_body_is_refused_and_nothing_is_stored(
    client: httpx2.AsyncClient, body: bytes, path: str
) -> None:
    """422 that begins with the field that is wrong, or with none when the JSON itself is."""
    answer = await client.post(TASKS, content=body, headers=JSON)
    [found] = fields(answer)
    assert found.startswith(path) if path else found == ""
    assert 0 == (await client.get(TASKS)).json()["total"]


@pytest.mark.parametrize("key", ["", "k" * 256, "tab\there"])
async def test_a_bad_idempotency_key_is_refused(client: httpx2.AsyncClient, key: str) -> None:
    """A key is 1 to 255 printable characters."""
    headers = {"Idempotency-Key": key}
    answer = await client.post(TASKS, json={"task_type": "noop"}, headers=headers)
    assert ["Idempotency-Key"] == fields(answer)


async def test_a_thousand_wrong_fields_make_a_short_answer(client: httpx2.AsyncClient) -> None:
    """What a client sends cannot make the answer as large as it likes."""
    sent = {"task_type": "noop"} | {f"{n}" * 100: n for n in range(1000)}
    answer = await client.post(TASKS, json=sent)
    assert 20 == len(fields(answer))
    assert answer.json()["detail"].endswith("and 980 more")
    assert len(answer.content) < 20_000


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "application/xml", ""]
)
async def test_a_body_that_is_not_called_json_is_refused(
    client: httpx2.AsyncClient, content_type: str
) -> None:
    """415 that names the header to send, as for `curl -d` without one."""
    headers = {"content-type": content_type} if content_type else {}
    answer = await client.post(TASKS, content=b'{"task_type": "noop"}', headers=headers)
    assert (415, f"{URN}unsupported_media_type") == (answer.status_code, answer.json()["type"])
    assert "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize("content_type", ["application/JSON; charset=utf-8", "application/a+json"])
async def test_a_body_called_json_in_another_way_is_accepted(
    client: httpx2.AsyncClient, content_type: str
) -> None:
    """Upper case, parameters and structured suffixes are JSON as well."""
    headers = {"content-type": content_type}
    answer = await client.post(TASKS, content=b'{"task_type": "noop"}', headers=headers)
    assert 201 == answer.status_code
