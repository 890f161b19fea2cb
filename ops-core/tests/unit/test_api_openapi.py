"""REST: the document that clients are generated from."""

import json
from pathlib import Path
from typing import Any

import pytest
from door_support import client_of, service_over

from ops_core.api import create_app
from ops_core.testing import MemoryStore, services_of

PUBLISHED = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"


@pytest.fixture
def document() -> dict[str, Any]:
    return create_app(services_of(service_over(MemoryStore()))).openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every operation, by its id."""
    found = (operation for path in document["paths"].values() for operation in path.values())
    return {operation["operationId"]: operation for operation in found}


def test_the_published_document_is_current(document: dict[str, Any]) -> None:
    """What is in docs/reference is what the door serves: else run tools/gen_openapi.py."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == document


#: Each path of the contract once, although each answers with and without its slash.
PATHS = {
    "/api/v1/tasks/",
    "/api/v1/tasks/{task_id}",
    "/api/v1/tasks/{task_id}/events",
    "/api/v1/tasks/{task_id}/cancel",
    "/api/v1/tasks/{task_id}/retry",
    "/api/v1/tasks/{task_id}/children",
    "/api/v1/tasks/{task_id}/steps",
    "/api/v1/tasks/{task_id}/input",
    "/api/v1/tasks/{task_id}/effects/{step}/resolve",
    "/api/v1/tasks/{task_id}/approvals/{step}/resolve",
    "/api/v1/dead-letters",
    "/api/v1/dead-letters/{task_id}/retry",
    "/api/v1/dead-letters/{task_id}/discard",
    "/api/v1/tasks/{task_id}/fork",
    "/api/v1/approvals/",
    "/api/v1/approvals/{approval_id}",
    "/api/v1/approvals/{approval_id}/resolve",
    "/api/v1/approvals/{approval_id}/links",
    "/api/v1/inputs/",
    "/api/v1/inputs/{input_id}",
    "/api/v1/inputs/{input_id}/answer",
    "/api/v1/schedules/",
    "/api/v1/schedules/{schedule_id}",
    "/api/v1/schedules/{schedule_id}/pause",
    "/api/v1/schedules/{schedule_id}/resume",
    "/api/v1/schedules/{schedule_id}/trigger",
    "/api/v1/schedules/{schedule_id}/next",
    "/api/v1/schedules/{schedule_id}/firings",
    "/api/v1/agents/",
    "/api/v1/agents/{name}",
    "/api/v1/agents/{name}/versions",
    "/api/v1/agents/{name}/versions/{version}",
    "/api/v1/threads/",
    "/api/v1/threads/{thread_id}",
    "/api/v1/threads/{thread_id}/messages",
    "/api/v1/threads/{thread_id}/fork",
    "/api/v1/memories/",
    "/api/v1/memories/{memory_id}",
    "/api/v1/api-keys",
    "/api/v1/api-keys/{key_id}",
    "/api/v1/api-keys/{key_id}/rotate",
    "/api/v1/api-keys/{key_id}/revoke",
    "/api/v1/tenants",
    "/api/v1/tenants/{tenant_id}/disable",
    "/api/v1/tenants/{tenant_id}/enable",
    "/api/v1/tenants/{tenant_id}/limits",
    "/api/v1/workers/",
    "/api/v1/workers/{worker_id}",
    "/api/v1/workers/{worker_id}/drain",
    "/api/v1/audit",
    "/api/v1/tasks/{task_id}/deliveries",
    "/api/v1/webhooks/",
    "/api/v1/webhooks/{webhook_id}",
    "/api/v1/webhooks/{webhook_id}/deliveries",
    "/api/v1/webhooks/{webhook_id}/rotate-secret",
    "/api/v1/webhooks/{webhook_id}/test",
    "/api/v1/deliveries/{delivery_id}",
    "/api/v1/deliveries/{delivery_id}/redeliver",
    "/api/v1/limits",
    "/api/v1/limits/{key}",
    "/api/v1/budgets",
    "/api/v1/budgets/{budget_id}",
    "/health",
    "/ready",
    "/metrics",
}


#: Operations on one thing that is there or not, and that refuse nothing else.
FOUND_OR_NOT = (
    "get_agent",
    "archive_agent",
    "list_agent_versions",
    "get_agent_version",
    "get_thread",
    "archive_thread",
    "list_messages",
)
REFUSED = {"408", "413", "415", "422", "500", "503"}
BROUGHT = {"202", "404", "408", "409", "413", "415", "422", "500", "503"}
#: What each operation may answer, by the contract, besides what a key, its scopes and its rate add.
ANSWERS = {
    "create_task": {"200", "201", *REFUSED, "409", "429"},
    "list_tasks": {"200", "422", "500", "503"},
    "get_task": {"200", "404", "422", "500", "503"},
    "list_task_events": {"200", "404", "422", "500", "503"},
    "cancel_task": {"200", "202", "404", "409", "422", "500", "503"},
    "retry_task": {"202", "404", "409", "422", "500", "503"},
    "list_children": {"200", "404", "422", "500", "503"},
    "list_steps": {"200", "404", "422", "500", "503"},
    "send_input": BROUGHT,
    "resolve_effect": BROUGHT,
    "resolve_approval": BROUGHT,
    "list_approvals": {"200", "422", "500", "503"},
    "get_approval": {"200", "404", "422", "500", "503"},
    "resolve_approval_by_id": BROUGHT - {"202"} | {"200"},
    "create_approval_link": BROUGHT - {"202"} | {"201"},
    "list_inputs": {"200", "422", "500", "503"},
    "get_input": {"200", "404", "422", "500", "503"},
    "answer_input": BROUGHT - {"202"} | {"200"},
    "list_dead_letters": {"200", "422", "500", "503"},
    "retry_dead_letter": {"202", "404", "409", "422", "500", "503"},
    "discard_dead_letter": {"200", "404", "409", "422", "500", "503"},
    "fork_task": {"200", "201", "404", "408", "409", "413", "415", "422", "500", "503"},
    "create_api_key": {"201", "408", "413", "415", "422", "500", "503"},
    "list_api_keys": {"200", "422", "500", "503"},
    "get_api_key": {"200", "404", "422", "500", "503"},
    "rotate_api_key": {"200", "404", "408", "409", "413", "415", "422", "500", "503"},
    "revoke_api_key": {"200", "404", "422", "500", "503"},
    "create_tenant": {"201", "408", "409", "413", "415", "422", "500", "503"},
    "list_tenants": {"200", "422", "500", "503"},
    "disable_tenant": {"200", "404", "422", "500", "503"},
    "enable_tenant": {"200", "404", "422", "500", "503"},
    "get_tenant_limits": {"200", "404", "422", "500", "503"},
    "put_tenant_limits": {"200", "404", *REFUSED},
    "delete_tenant_limits": {"204", "404", "422", "500", "503"},
    "list_audit": {"200", "422", "500", "503"},
    "metrics": {"200", "422", "500", "503"},
    "list_workers": {"200", "422", "500", "503"},
    "get_worker": {"200", "404", "422", "500", "503"},
    "drain_worker": {"202", "404", "422", "500", "503"},
    "create_schedule": {"201", "408", "409", "413", "415", "422", "500", "503"},
    "list_schedules": {"200", "422", "500", "503"},
    "get_schedule": {"200", "404", "422", "500", "503"},
    "change_schedule": {"200", "404", "408", "409", "413", "415", "422", "500", "503"},
    "delete_schedule": {"204", "404", "422", "500", "503"},
    "pause_schedule": {"200", "404", "408", "413", "415", "422", "500", "503"},
    "resume_schedule": {"200", "404", "422", "500", "503"},
    "trigger_schedule": {"200", "201", "404", "422", "500", "503"},
    "list_upcoming": {"200", "404", "422", "500", "503"},
    "list_firings": {"200", "404", "422", "500", "503"},
    "create_agent": {"200", "201", "408", "409", "413", "415", "422", "500", "503"},
    "put_agent": {"200", "201", "408", "413", "415", "422", "500", "503"},
    "list_agents": {"200", "422", "500", "503"},
    **{name: {"200", "404", "422", "500", "503"} for name in FOUND_OR_NOT},
    "create_thread": {"201", "408", "409", "413", "415", "422", "500", "503"},
    "list_threads": {"200", "422", "500", "503"},
    "fork_thread": {"201", "404", "408", "409", "413", "415", "422", "500", "503"},
    "create_memory": {"200", "201", "409", *REFUSED},
    "list_memories": {"200", "409", "422", "500", "503"},
    "get_memory": {"200", "404", "409", "422", "500", "503"},
    "delete_memory": {"204", "404", "409", "422", "500", "503"},
    "delete_memories": {"200", "409", "422", "500", "503"},
    "create_webhook": BROUGHT - {"202", "404"} | {"201"},
    "list_webhooks": {"200", "422", "500", "503"},
    "get_webhook": {"200", "404", "422", "500", "503"},
    "change_webhook": BROUGHT - {"202", "409"} | {"200"},
    "delete_webhook": {"204", "404", "422", "500", "503"},
    "rotate_webhook_secret": BROUGHT - {"202", "409"} | {"200"},
    "test_webhook": {"202", "404", "422", "500", "503"},
    "list_webhook_deliveries": {"200", "404", "422", "500", "503"},
    "list_task_deliveries": {"200", "404", "422", "500", "503"},
    "get_delivery": {"200", "404", "422", "500", "503"},
    "redeliver": {"202", "404", "422", "500", "503"},
    "health": {"200"},
    "ready": {"200", "500", "503"},
    "list_limits": {"200", "422", "500", "503"},
    "get_limit": {"200", "404", "422", "500", "503"},
    "put_limit": {"200", *REFUSED},
    "delete_limit": {"204", "404", "422", "500", "503"},
    "list_budgets": {"200", "422", "500", "503"},
    "get_budget": {"200", "404", "422", "500", "503"},
    "put_budget": {"200", "404", *REFUSED},
    "delete_budget": {"204", "404", "422", "500", "503"},
}


async def test_the_document_is_served(document: dict[str, Any]) -> None:
    """/openapi.json is the document, and /docs shows it."""
    async with client_of(create_app(services_of(service_over(MemoryStore())))) as client:
        assert document == (await client.get("/openapi.json")).json()
        assert "/openapi.json" in (await client.get("/docs")).text


def test_paths_are_spelled_as_in_the_contract(document: dict[str, Any]) -> None:
    """Each path once, although each answers with and without its slash."""
    assert PATHS == document["paths"].keys()


def test_the_body_of_a_submit_is_described(document: dict[str, Any]) -> None:
    """The route reads it as bytes; the document has its schema all the same."""
    body = operations(document)["create_task"]["requestBody"]
    assert body["required"]
    schema = body["content"]["application/json"]["schema"]
    assert {"$ref": "#/components/schemas/TaskRequest"} == schema
    assert ["task_type"] == document["components"]["schemas"]["TaskRequest"]["required"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """No `$ref` is broken: generators fail on them."""
    references = set[str]()

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            references.update({node["$ref"]} if "$ref" in node else ())
            node = list(node.values())
        for child in node if isinstance(node, list) else ():
            collect(child)

    collect(document)
    names = {reference.removeprefix("#/components/schemas/") for reference in references}
    assert names
    assert names <= document["components"]["schemas"].keys()


def test_every_error_is_described_as_a_problem(document: dict[str, Any]) -> None:
    """FastAPI's own form of a 422 is nowhere."""
    schema = {"$ref": "#/components/schemas/Problem"}
    for operation in operations(document).values():
        for status, response in operation["responses"].items():
            if status >= "400":
                assert schema == response["content"]["application/problem+json"]["schema"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_task_route_says_what_it_may_answer(document: dict[str, Any]) -> None:
    """The statuses of the contract, by operation."""
    anybody = {"health": {"200"}, "ready": {"200", "500", "503"}}
    expected = {name: each | {"401", "403", "429"} for name, each in ANSWERS.items()} | anybody
    found = {name: set(each["responses"]) for name, each in operations(document).items()}
    assert expected == found
