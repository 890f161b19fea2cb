"""The table of scopes against the doors: no route and no RPC without an entry, no entry without one."""

import pytest
from door_support import service_over
from fastapi.routing import APIRoute

from ops_core.api import create_app
from ops_core.api.ask_views import ApprovalView, InputView
from ops_core.api.views import TaskView
from ops_core.errors import MissingScope
from ops_core.identity.needs import NEEDS, PUBLIC, check_needs
from ops_core.principal import Principal
from ops_core.rpc.admission import operation_of
from ops_core.rpc.server import SERVICE_NAMES
from ops_core.rpc.v1 import identity_pb2, tasks_pb2
from ops_core.scopes import Scope, allows
from ops_core.testing import MemoryStore, services_of

pytestmark = pytest.mark.unit


def routes() -> set[str]:
    app = create_app(services_of(service_over(MemoryStore())))
    return {route.name for route in app.state.routes if isinstance(route, APIRoute)}


def calls() -> set[str]:
    pool = tasks_pb2.DESCRIPTOR.pool
    assert pool is identity_pb2.DESCRIPTOR.pool
    services = [pool.FindServiceByName(name) for name in SERVICE_NAMES]
    return {operation_of(f"/x/{each.name}") for service in services for each in service.methods}


def test_every_route_and_every_call_needs_a_scope_or_is_public() -> None:
    """And nothing is in the table that no door has."""
    assert routes() | calls() == set(NEEDS) | PUBLIC


def test_only_health_and_signed_links_are_public() -> None:
    assert {"health", "ready", "show_link", "use_link"} == PUBLIC
    assert set() == PUBLIC & set(NEEDS)


def test_what_only_reads_needs_no_right_to_write() -> None:
    """A key for a dashboard can do no harm."""
    reading = {name: need for name, need in NEEDS.items() if name.startswith(("get_", "list_"))}
    assert [] == [
        name
        for name, need in reading.items()
        if any(scope.endswith(":write") for scope in need.scopes)
    ]
    assert [] == [name for name, need in reading.items() if need.audited]


def test_whoever_submits_work_cannot_approve_what_it_does() -> None:
    held = {Scope.TASKS_READ, Scope.TASKS_WRITE}
    assert not allows(held, NEEDS["resolve_approval"].scope)
    assert not allows(held, NEEDS["resolve_effect"].scope)


@pytest.mark.parametrize("operation", ["create_schedule", "change_schedule", "trigger_schedule"])
def test_whoever_has_tasks_submitted_by_the_clock_may_submit_tasks(operation: str) -> None:
    """A schedule is no way around the right to submit."""
    assert {Scope.SCHEDULES_WRITE, Scope.TASKS_WRITE} == set(NEEDS[operation].scopes)


@pytest.mark.parametrize("operation", ["create_webhook", "change_webhook"])
def test_whoever_has_tasks_sent_somewhere_may_read_tasks(operation: str) -> None:
    """A subscription is no way around the right to read."""
    assert {Scope.WEBHOOKS_WRITE, Scope.TASKS_READ} == set(NEEDS[operation].scopes)


def test_whoever_is_told_of_what_is_there_may_read_it() -> None:
    """To cancel a task is no way around the right to read it. What a caller submits himself he knows."""
    app = create_app(services_of(service_over(MemoryStore())))
    told = {TaskView, ApprovalView, InputView}
    telling = {each.name for each in app.state.routes if getattr(each, "response_model", 0) in told}
    own = {"create_task", "trigger_schedule"}
    assert own | {"cancel_task", "fork_task", "retry_task", "answer_input"} <= telling
    assert [] == [name for name in telling - own if Scope.TASKS_READ not in NEEDS[name].scopes]


def test_over_grpc_and_a2a_it_is_the_same() -> None:
    """Their operations without a route of the same name are held to it too."""
    for operation in ("decide_approval", "create_approval_link", "send_input", "resolve_effect"):
        assert Scope.TASKS_READ in NEEDS[operation].scopes


@pytest.mark.parametrize("held", [Scope.SCHEDULES_WRITE, Scope.TASKS_WRITE])
def test_one_of_two_rights_is_not_enough(held: Scope) -> None:
    """The refusal names the one that is missing."""
    who = Principal(tenant_id="default", subject="key_1", scopes=frozenset({held}))
    [missing] = {Scope.SCHEDULES_WRITE, Scope.TASKS_WRITE} - {held}
    with pytest.raises(MissingScope) as refused:
        check_needs(who, "create_schedule")
    assert missing == refused.value.scope


@pytest.mark.parametrize(
    ("method", "operation"),
    [
        ("/ops_core.rpc.v1.TaskService/GetTask", "get_task"),
        ("/ops_core.rpc.v1.ApiKeyService/CreateApiKey", "create_api_key"),
        ("/x.Y/ListAudit", "list_audit"),
    ],
)
def test_a_call_is_named_as_its_route_is(method: str, operation: str) -> None:
    assert operation == operation_of(method)
