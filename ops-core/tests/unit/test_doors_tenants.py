"""Tenants, their limits and the audit log, at both doors over one guard."""

from collections.abc import AsyncIterator

import grpc.aio
import pytest
from door_support import refused
from guarded_doors import GuardedDoors, guarded_doors, metadata

from ops_core.rpc.v1 import identity_pb2, identity_pb2_grpc
from ops_core.scopes import Scope

pytestmark = pytest.mark.unit


@pytest.fixture
async def doors() -> AsyncIterator[GuardedDoors]:
    async with guarded_doors() as doors:
        yield doors


async def test_tenants_are_the_operators_business(doors: GuardedDoors) -> None:
    """A new one begins with an admin of its own, who is none of the server."""
    admin = await doors.key()
    body = {"tenant_id": "acme", "name": "Acme"}
    answer = await doors.send("POST", "/tenants", admin, json=body)
    founded = answer.json()
    assert (201, "acme") == (answer.status_code, founded["tenant"]["tenant_id"])
    guest = founded["secret"]
    assert 200 == (await doors.send("GET", "/api-keys", guest)).status_code
    refusal = await doors.send("GET", "/tenants", guest)
    stub = doors.identity(identity_pb2_grpc.TenantServiceStub)
    call = await refused(
        stub.ListTenants(identity_pb2.ListTenantsRequest(), metadata=metadata(guest))
    )
    assert (403, "missing_scope") == (refusal.status_code, call.type)
    taken = await refused(
        stub.CreateTenant(identity_pb2.CreateTenantRequest(**body), metadata=metadata(admin))
    )
    assert (grpc.StatusCode.ALREADY_EXISTS, "tenant_exists") == (taken.code, taken.type)


async def test_a_tenant_is_closed_and_opened_again(doors: GuardedDoors) -> None:
    """Over either door; the operator's own stays open."""
    admin = await doors.key()
    body = {"tenant_id": "acme", "name": "Acme"}
    guest = (await doors.send("POST", "/tenants", admin, json=body)).json()["secret"]
    closed = await doors.send("POST", "/tenants/acme/disable", admin)
    assert closed.json()["disabled_at"]
    assert 401 == (await doors.send("GET", "/tasks/", guest)).status_code
    stub = doors.identity(identity_pb2_grpc.TenantServiceStub)
    request = identity_pb2.EnableTenantRequest(tenant_id="acme")
    await stub.EnableTenant(request, metadata=metadata(admin))
    assert 200 == (await doors.send("GET", "/tasks/", guest)).status_code
    assert 422 == (await doors.send("POST", "/tenants/default/disable", admin)).status_code
    assert 404 == (await doors.send("POST", "/tenants/A%00/disable", admin)).status_code


async def test_the_audit_log_says_what_was_done_at_either_door(doors: GuardedDoors) -> None:
    """The object is what the request names, and both doors read the same log."""
    admin = await doors.key()
    await doors.rest_refusal(admin)
    await doors.rpc_refusal(admin)
    await doors.rpc_refusal(await doors.key(Scope.TASKS_READ))
    told = [("cancel_task", "task_1", "allowed")] * 2 + [("cancel_task", "", "denied")]
    assert told == doors.told()
    page = (await doors.send("GET", "/audit?action=cancel_task&limit=2", admin)).json()
    stub = doors.identity(identity_pb2_grpc.AuditServiceStub)
    request = identity_pb2.ListAuditRequest(cursor=page["next_cursor"], action="cancel_task")
    rest = await stub.ListAudit(request, metadata=metadata(admin))
    assert 3 == len([*page["records"], *rest.records])
    assert page["next_cursor"]


async def test_a_tenant_is_given_a_limit_at_either_door(doors: GuardedDoors) -> None:
    """It holds at the next submit; set, shown and deleted it is the same at both, and in the audit log."""
    admin = await doors.key()
    body = {"tenant_id": "acme", "name": "Acme"}
    guest = (await doors.send("POST", "/tenants", admin, json=body)).json()["secret"]
    path, most = "/tenants/acme/limits", {"max_unfinished_tasks": 1}
    stub = doors.identity(identity_pb2_grpc.TenantServiceStub)
    asked = identity_pb2.GetTenantLimitsRequest(tenant_id="acme")
    put = await doors.send("PUT", path, admin, json=most)
    assert (200, {"tenant_id": "acme", **most}) == (put.status_code, put.json())
    told = await stub.GetTenantLimits(asked, metadata=metadata(admin))
    assert 1 == told.limits.max_unfinished_tasks
    task = {"task_type": "noop"}
    codes = [(await doors.send("POST", "/tasks/", guest, json=task)).status_code for _ in range(2)]
    assert [201, 429] == codes
    more = identity_pb2.PutTenantLimitsRequest(tenant_id="acme", max_unfinished_tasks=2)
    await stub.PutTenantLimits(more, metadata=metadata(admin))
    assert 201 == (await doors.send("POST", "/tasks/", guest, json=task)).status_code
    assert 204 == (await doors.send("DELETE", path, admin)).status_code
    assert (await doors.send("GET", path, admin)).json()["max_unfinished_tasks"] is None
    gone = identity_pb2.DeleteTenantLimitsRequest(tenant_id="acme")
    await stub.DeleteTenantLimits(gone, metadata=metadata(admin))
    written = [action for action, name, _ in doors.told() if name == "acme"]
    changes = ["put_tenant_limits"] * 2 + ["delete_tenant_limits"] * 2
    assert ["create_tenant", *changes] == written


async def test_limits_of_tenants_are_the_operators_and_are_checked(doors: GuardedDoors) -> None:
    """403 for an admin of another tenant, 404 for a tenant that is not there, 422 for no number."""
    admin = await doors.key()
    body = {"tenant_id": "acme", "name": "Acme"}
    guest = (await doors.send("POST", "/tenants", admin, json=body)).json()["secret"]
    most = {"max_unfinished_tasks": 5}
    for method, more in (("GET", {}), ("PUT", {"json": most}), ("DELETE", {})):
        refusal = await doors.send(method, "/tenants/acme/limits", guest, **more)
        assert 403 == refusal.status_code
        missing = await doors.send(method, "/tenants/nobody/limits", admin, **more)
        assert (404, "tenant_not_found") == (
            missing.status_code,
            missing.json()["type"].rpartition(":")[2],
        )
    wrong = await doors.send("PUT", "/tenants/acme/limits", admin, json={"max_unfinished_tasks": 0})
    assert 422 == wrong.status_code
    stub = doors.identity(identity_pb2_grpc.TenantServiceStub)
    unset = identity_pb2.PutTenantLimitsRequest(tenant_id="acme")
    call = await refused(stub.PutTenantLimits(unset, metadata=metadata(admin)))
    assert ("invalid_request", ["max_unfinished_tasks"]) == (call.type, list(call.fields))
